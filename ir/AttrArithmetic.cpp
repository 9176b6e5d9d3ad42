// SPDX-License-Identifier: Apache-2.0
// Comparison, logic and arithmetic on booleans, integers and floats.
#include "ir/AttrArithmetic.h"
#include "llvm/ADT/StringSwitch.h"

namespace sinter {

namespace {

template <typename T>
std::optional<AttrValue> compare(llvm::StringRef op, T a, T b) {
  if (op == "<")
    return AttrValue(a < b);
  if (op == "<=")
    return AttrValue(a <= b);
  if (op == ">")
    return AttrValue(a > b);
  if (op == ">=")
    return AttrValue(a >= b);
  return std::nullopt;
}

std::optional<AttrValue> integerOp(llvm::StringRef op, int64_t a, int64_t b) {
  auto wrapped = [](uint64_t v) { return AttrValue(int64_t(v)); };
  if (op == "+")
    return wrapped(uint64_t(a) + uint64_t(b));
  if (op == "-")
    return wrapped(uint64_t(a) - uint64_t(b));
  if (op == "*")
    return wrapped(uint64_t(a) * uint64_t(b));
  if (op == "/" && b > 0)
    return AttrValue(a / b);
  return compare(op, a, b);
}

std::optional<AttrValue> floatOp(llvm::StringRef op, double a, double b) {
  if (op == "+")
    return AttrValue(a + b);
  if (op == "-")
    return AttrValue(a - b);
  if (op == "*")
    return AttrValue(a * b);
  if (op == "/")
    return AttrValue(a / b);
  return compare(op, a, b);
}

} // namespace

int precedenceOf(llvm::StringRef op) {
  return llvm::StringSwitch<int>(op)
      .Case("||", 1)
      .Case("&&", 2)
      .Cases("==", "!=", "<", "<=", ">", ">=", 3)
      .Cases("+", "-", 4)
      .Cases("*", "/", 5)
      .Default(0);
}

std::optional<AttrValue> applyBinary(llvm::StringRef op, const AttrValue &a, const AttrValue &b) {
  if (op == "==")
    return AttrValue(a == b);
  if (op == "!=")
    return AttrValue(!(a == b));
  if (auto *x = a.as<bool>(), *y = b.as<bool>(); x && y) {
    if (op == "&&")
      return AttrValue(*x && *y);
    if (op == "||")
      return AttrValue(*x || *y);
    return std::nullopt;
  }
  if (a.as<int64_t>() && b.as<int64_t>())
    return integerOp(op, *a.as<int64_t>(), *b.as<int64_t>());
  if (a.number() && b.number())
    return floatOp(op, *a.number(), *b.number());
  return std::nullopt;
}

} // namespace sinter
