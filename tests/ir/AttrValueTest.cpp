// SPDX-License-Identifier: Apache-2.0
// Attributes: text, conversion from JSON, and what each C++ type accepts.
#include "ir/AttrValue.h"
#include "ir/JsonAttr.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

TEST(AttrValue, PrintsWhatTheParserReads) {
  EXPECT_EQ(AttrValue(int64_t(-3)).str(), "-3");
  EXPECT_EQ(AttrValue(1.0).str(), "1.0");
  EXPECT_EQ(AttrValue(1e-6).str(), "1e-06");
  EXPECT_EQ(AttrValue(0.1).str(), "0.1");
  EXPECT_EQ(AttrValue(1e300).str(), "1e+300");
  EXPECT_EQ(AttrValue(true).str(), "true");
  EXPECT_EQ(AttrValue(std::string("a\"b\\\n")).str(), "\"a\\22b\\\\\\0A\"");
  EXPECT_EQ(AttrValue(ElementType(quant::q4_0)).str(), "i4<g32, f16>");
  EXPECT_EQ(AttrValue(AttrList{int64_t(1), 2.5, false}).str(), "[1, 2.5, false]");
  EXPECT_EQ(AttrValue(AttrDict{{"a", int64_t(1)}, {"b", AttrList{}}}).str(), "{a = 1, b = []}");
}

TEST(AttrValue, AnIntegerIsANumberButAFloatIsNoInteger) {
  double d = 0;
  EXPECT_TRUE(AttrCodec<double>::decode(int64_t(4), d));
  EXPECT_EQ(d, 4);
  int64_t i = 7;
  EXPECT_FALSE(AttrCodec<int64_t>::decode(4.0, i));
  EXPECT_FALSE(AttrCodec<int64_t>::decode(true, i));
  EXPECT_EQ(i, 7);
}

TEST(AttrValue, ElementTypesTakeTheNamesOfConfigs) {
  ElementType e;
  EXPECT_TRUE(AttrCodec<ElementType>::decode(std::string("bfloat16"), e));
  EXPECT_EQ(e, ElementType(Scalar::BF16));
  EXPECT_FALSE(AttrCodec<ElementType>::decode(std::string("float8"), e));
  EXPECT_EQ(e, ElementType(Scalar::BF16));
}

llvm::Expected<AttrDict> fromJson(llvm::StringRef text) {
  auto value = llvm::json::parse(text);
  EXPECT_TRUE(bool(value)) << text.str();
  return attrFromJson(*value->getAsObject());
}

TEST(JsonAttr, SortsKeysDropsNullsAndKeepsKinds) {
  auto dict = fromJson(R"({"z": 1, "b": 1.0, "c": 1.5, "n": null, "a": [1, null, "x", {"k": true}], "big": 1e30})");
  ASSERT_TRUE(bool(dict));
  EXPECT_EQ(AttrValue(*dict).str(), R"({a = [1, "x", {k = true}], b = 1, big = 1e+30, c = 1.5, z = 1})");
}

TEST(JsonAttr, RefusesToNestForever) {
  std::string text = R"({"a": )" + std::string(100, '[') + std::string(100, ']') + "}";
  auto dict = fromJson(text);
  ASSERT_FALSE(bool(dict));
  EXPECT_EQ(llvm::toString(dict.takeError()), "JSON nests deeper than 64 levels");
}

} // namespace
} // namespace sinter
