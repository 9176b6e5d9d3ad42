// SPDX-License-Identifier: Apache-2.0
// When ops count as equal, and that equal ops hash alike.
#include "ir/OpEquality.h"
#include "ir/Parser.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

/// Two ops on two values, as text; are they equal?
void expectPair(llvm::StringRef first, llvm::StringRef second, bool equal) {
  std::string text = ("weight @w : f32[64]\nweight @m : f32[64, 64]\n"
                      "graph @g(%x: f32[T, 64], %y: f32[T, 64]) {\n  " +
                      first + "\n  layer 3 {\n  " + second + "\n  }\n  return %x\n}")
                         .str();
  auto module = parseModule({text, "text"});
  ASSERT_TRUE(bool(module)) << llvm::toString(module.takeError());
  auto &ops = (*module)->graphs()[0]->ops();
  EXPECT_EQ(areEqual(*ops.front(), *ops.back()), equal) << text;
  EXPECT_EQ(areEqual(*ops.back(), *ops.front()), equal) << text;
  EXPECT_TRUE(!equal || hashOf(*ops.front()) == hashOf(*ops.back())) << text;
}

TEST(OpEquality, NamesPlacesAndLayersDoNotMatter) { expectPair("%a = add %x, %y", "%b = add %x, %y", true); }

TEST(OpEquality, WrittenDefaultsDoNotMatter) {
  expectPair("%a = rms_norm %x, @w", "%b = rms_norm %x, @w {eps = 0.000001}", true);
}

TEST(OpEquality, DifferentOperands) {
  expectPair("%a = add %x, %y", "%b = add %y, %x", false);
  expectPair("%a = add %x, %y", "%b = add %x, %x", false);
}

TEST(OpEquality, DifferentNumbersOfOperands) {
  expectPair("%a = linear %x, @m", "%b = linear %x, @m, @m", false);
  expectPair("%a = linear %x, @m", "%b = linear %x, @m {residual = %x}", false);
  expectPair("%a = linear %x, @m {bias = @w}", "%b = linear %x, @m {bias = @w}", true);
}

TEST(OpEquality, DifferentAttributes) {
  expectPair("%a = rms_norm %x, @w", "%b = rms_norm %x, @w {eps = 1.0}", false);
  expectPair("%a = rms_norm %x, @w", "%b = rms_norm %x, @w {to = f32}", false);
  expectPair("%a = slice %x {begin = 0, size = 8}", "%b = slice %x {begin = 8, size = 8}", false);
  expectPair("%a = slice %x {begin = 8, size = 8}", "%b = slice %x {begin = 8, size = 8}", true);
}

TEST(OpEquality, DifferentKinds) {
  expectPair("%a = add %x, %y", "%b = silu_mul %x, %y", false);
  expectPair("%a = rms_norm %x, @w", "%b = add_bias %x, @w", false);
}

} // namespace
} // namespace sinter
