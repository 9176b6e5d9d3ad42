// SPDX-License-Identifier: Apache-2.0
// Names of types, there and back, and their sizes.
#include "ir/Type.h"
#include <gtest/gtest.h>

using namespace sinter;

namespace {

TEST(ElementType, NamesReadLikeTheDocumentation) {
  EXPECT_EQ(ElementType(Scalar::BF16).str(), "bf16");
  EXPECT_EQ(ElementType(quant::q8_0).str(), "i8<g32, f16>");
  EXPECT_EQ(ElementType(quant::q4_1).str(), "u4<g32, f16, min>");
  EXPECT_EQ(ElementType(quant::q4_k).str(), "u4<g32, 6b/g256, f16, min>");
  EXPECT_EQ(ElementType(quant::q6_k).str(), "i6<g16, 8b/g256, f16>");
  EXPECT_EQ(ElementType(quant::activation).str(), "i8<g16, f32>");
}

TEST(ElementType, ParsesWhatItPrints) {
  std::vector<ElementType> types = {Scalar::F32, Scalar::F16, Scalar::BF16, Scalar::I32, Scalar::I8};
  for (const Quant &q : {quant::q8_0, quant::q4_0, quant::q4_1, quant::q5_0, quant::q5_1, quant::q4_k, quant::q5_k,
                         quant::q6_k, quant::activation})
    types.push_back(ElementType(q));
  for (ElementType type : types) {
    auto parsed = parseElementType(type.str());
    ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    EXPECT_TRUE(*parsed == type) << type.str();
  }
}

TEST(ElementType, ErrorsNameTheTextAndThePart) {
  std::pair<const char *, const char *> cases[] = {
      {"f64",
       "element type 'f64': expected f32, f16, bf16, i32, i8 or a quantized type like 'i4<g32, f16>', found 'f64'"},
      {"i9<g32, f16>", "element type 'i9<g32, f16>': expected codes 'i2' to 'i8' or 'u2' to 'u8', found 'i9'"},
      {"i4<g32, f16", "element type 'i4<g32, f16': expected '>' at the end, found 'g32, f16'"},
      {"i4<32, f16>", "element type 'i4<32, f16>': expected a group size like 'g32', found '32'"},
      {"i4<g32>", "element type 'i4<g32>': expected a scale type (f32, f16 or bf16), found ''"},
      {"i4<g32, i8>", "element type 'i4<g32, i8>': expected a scale type (f32, f16 or bf16), found 'i8'"},
      {"u4<g32, f16, max>", "element type 'u4<g32, f16, max>': expected '>', found 'max'"},
      {"u4<g32, 6b/g40, f16>",
       "element type 'u4<g32, 6b/g40, f16>': expected sub-scales of 1 to 8 bits over a multiple "
       "of the group like '6b/g256', found '6b/g40'"}};
  for (auto [text, message] : cases) {
    auto parsed = parseElementType(text);
    ASSERT_FALSE(bool(parsed)) << text;
    EXPECT_EQ(llvm::toString(parsed.takeError()), message);
  }
}

TEST(Type, CountsAndNames) {
  Type type(Scalar::BF16, {Dim::T, Dim::S, 2560});
  EXPECT_EQ(type.str(), "bf16[T, S, 2560]");
  EXPECT_EQ(type.numElements(3, 2), 3 * 2 * 2560);
  EXPECT_EQ(Type(Scalar::F32, {}).numElements(), 1);
  EXPECT_EQ(Type(Scalar::F32, {}).str(), "f32[]");
  EXPECT_EQ(type.dim(-1), Dim(2560));
  EXPECT_EQ(scalarSize(Scalar::BF16), 2u);
}

} // namespace
