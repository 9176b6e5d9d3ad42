// SPDX-License-Identifier: Apache-2.0
// The values that attributes take in text: numbers, booleans, strings, element types, lists and dictionaries. Parser
// and printer deal in these; an op's Attr<T> converts to and from its own C++ type.
#pragma once
#include "ir/Type.h"
#include "llvm/Support/Error.h"
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sinter {

struct AttrValue;
using AttrList = std::vector<AttrValue>;
using AttrDict = std::vector<std::pair<std::string, AttrValue>>; ///< in written order

struct AttrValue {
  std::variant<int64_t, double, bool, std::string, ElementType, AttrList, AttrDict> value = int64_t(0);

  AttrValue() = default;
  template <typename T>
  AttrValue(T v) : value(std::move(v)) {}

  template <typename T>
  const T *as() const {
    return std::get_if<T>(&value);
  }
  /// An integer or a float, as a float.
  std::optional<double> number() const {
    if (auto *i = as<int64_t>())
      return double(*i);
    if (auto *d = as<double>())
      return *d;
    return std::nullopt;
  }
  bool operator==(const AttrValue &) const = default;
  /// As text: 1e-06, true, "yarn", bf16, [1, 2], {type = "llama3", theta = 500000}.
  void print(llvm::raw_ostream &os) const;
  std::string str() const;
  /// "an integer", "a string", ...: for messages.
  llvm::StringRef kindName() const;
};

/// How a C++ type is written as an attribute. Specialise for every T of an Attr<T>.
template <typename T>
struct AttrCodec;

template <>
struct AttrCodec<int64_t> {
  static constexpr const char *expected = "an integer";
  static AttrValue encode(int64_t v) { return v; }
  static bool decode(const AttrValue &a, int64_t &out) {
    auto *v = a.as<int64_t>();
    return v ? (out = *v, true) : false;
  }
};
template <>
struct AttrCodec<double> {
  static constexpr const char *expected = "a number";
  static AttrValue encode(double v) { return v; }
  static bool decode(const AttrValue &a, double &out) {
    auto v = a.number();
    return v ? (out = *v, true) : false;
  }
};
template <>
struct AttrCodec<ElementType> {
  static constexpr const char *expected = "an element type";
  static AttrValue encode(ElementType v) { return v; }
  /// Also the names that configs use: "bfloat16".
  static bool decode(const AttrValue &a, ElementType &out) {
    if (auto *v = a.as<ElementType>())
      return out = *v, true;
    auto *name = a.as<std::string>();
    if (!name || (*name != "float32" && *name != "float16" && *name != "bfloat16"))
      return false;
    out = *name == "float32" ? Scalar::F32 : *name == "float16" ? Scalar::F16 : Scalar::BF16;
    return true;
  }
};
template <typename T>
struct AttrCodec<std::optional<T>> {
  static constexpr const char *expected = AttrCodec<T>::expected;
  static AttrValue encode(const std::optional<T> &v) { return AttrCodec<T>::encode(*v); } // printed only when set
  static bool decode(const AttrValue &a, std::optional<T> &out) {
    T v{};
    return AttrCodec<T>::decode(a, v) ? (out = v, true) : false;
  }
};

} // namespace sinter
