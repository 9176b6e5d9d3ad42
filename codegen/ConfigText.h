// SPDX-License-Identifier: Apache-2.0
// Config structs as text.
#pragma once
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace sinter {

/// The initialiser of a config struct: ".hidden = 576, .eps = 1e-05f".
class ConfigText {
public:
  ConfigText &field(llvm::StringRef name, int64_t v);
  ConfigText &field(llvm::StringRef name, double v); ///< as a float literal
  ConfigText &field(llvm::StringRef name, bool v);
  ConfigText &code(llvm::StringRef name, llvm::StringRef v); ///< an enumerator or a nested initialiser
  llvm::StringRef str() const { return text; }

private:
  std::string text;
};

} // namespace sinter
