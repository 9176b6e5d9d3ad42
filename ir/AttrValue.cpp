// SPDX-License-Identifier: Apache-2.0
// Attributes as text.
#include "ir/AttrValue.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include <charconv>

namespace sinter {

namespace {

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

/// The shortest text that reads back as the same double, always recognisable as a float.
void printDouble(double v, llvm::raw_ostream &os) {
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), v).ptr;
  llvm::StringRef text(buffer, end - buffer);
  os << text;
  if (text.find_first_of(".einf") == llvm::StringRef::npos)
    os << ".0";
}

void printString(llvm::StringRef s, llvm::raw_ostream &os) {
  os << '"';
  llvm::printEscapedString(s, os);
  os << '"';
}

} // namespace

void AttrValue::print(llvm::raw_ostream &os) const {
  std::visit(Overloaded{
                 [&](int64_t v) { os << v; },
                 [&](double v) { printDouble(v, os); },
                 [&](bool v) { os << (v ? "true" : "false"); },
                 [&](const std::string &v) { printString(v, os); },
                 [&](const ElementType &v) { os << v; },
                 [&](const AttrList &v) {
                   os << '[';
                   llvm::interleaveComma(v, os, [&](const AttrValue &e) { e.print(os); });
                   os << ']';
                 },
                 [&](const AttrDict &v) {
                   os << '{';
                   llvm::interleaveComma(v, os, [&](const auto &e) {
                     os << e.first << " = ";
                     e.second.print(os);
                   });
                   os << '}';
                 },
             },
             value);
}

std::string AttrValue::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  print(os);
  return text;
}

llvm::StringRef AttrValue::kindName() const {
  static constexpr const char *names[] = {"an integer",      "a float", "a boolean",   "a string",
                                          "an element type", "a list",  "a dictionary"};
  static_assert(std::size(names) == std::variant_size_v<decltype(value)>);
  return names[value.index()];
}

} // namespace sinter
