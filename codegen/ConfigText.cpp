// SPDX-License-Identifier: Apache-2.0
#include "codegen/ConfigText.h"
#include "llvm/ADT/Twine.h"
#include <charconv>

namespace sinter {

ConfigText &ConfigText::code(llvm::StringRef name, llvm::StringRef v) {
  text += (llvm::Twine(text.empty() ? "." : ", .") + name + " = " + v).str();
  return *this;
}

ConfigText &ConfigText::field(llvm::StringRef name, int64_t v) { return code(name, std::to_string(v)); }

ConfigText &ConfigText::field(llvm::StringRef name, bool v) { return code(name, v ? "true" : "false"); }

ConfigText &ConfigText::field(llvm::StringRef name, double v) {
  char digits[32];
  std::string literal(digits, std::to_chars(digits, digits + sizeof(digits), float(v)).ptr);
  if (literal.find_first_of(".e") == std::string::npos)
    literal += ".0";
  return code(name, literal + "f");
}

} // namespace sinter
