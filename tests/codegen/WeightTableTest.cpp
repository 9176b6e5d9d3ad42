// SPDX-License-Identifier: Apache-2.0
// The table of packed weights: equal items once, places that do not meet, and the bytes of items with a column scale.
#include "codegen/WeightTable.h"
#include "FloatTensor.h"
#include "codegen/cuda/PackAtoms.h"
#include "ir/Graph.h"
#include "ir/Parser.h"
#include <gtest/gtest.h>
#include <set>

namespace sinter {
namespace {

using Layout = WeightItem::Layout;

class WeightTableTest : public ::testing::Test {
protected:
  WeightTableTest() {
    constexpr llvm::StringLiteral text = R"(
weight @w : f32[16, 64]
weight @u : f32[16, 64]
weight @bias : f32[16]
weight @plain_norm : f32[64]
weight @linear_norm : f32[64]
weight @swiglu_norm : f32[64]
weight @head_norm : f32[16]
weight @sum_norm : f32[64]
weight @q_norm : f32[16]
weight @k_norm : f32[16]
weight @unread : f32[64]
graph @step(%x: f32[T, 64], %p: i32[T]) {
  %t = rope_table {rope = {rope_type = "default"}, head_dim = 16, positions = 8}
  %a = rms_norm %x, @plain_norm
  %b = linear %a, @w {bias = @bias, norm = @linear_norm}
  %c = swiglu_linear %a, @w, @u {norm = @swiglu_norm}
  %d = head_rms_norm %x, @head_norm
  %s, %e = add_rms_norm %x, %x, @sum_norm
  %f = rope_append %x, %p, %t {q_norm = @q_norm, k_norm = @k_norm, heads = 2, kv_heads = 1, head_dim = 16, layer = 0}
  return %b, %c, %d, %e, %f
}
)";
    module = llvm::cantFail(parseModule({text, "test"}));
  }

  const Value *weight(llvm::StringRef name) const {
    return llvm::find_if(module->weights(), [&](auto &w) { return w->name == name; })->get();
  }

  size_t add(Layout layout, llvm::ArrayRef<const Value *> weights, const Value *scale = nullptr) {
    return llvm::cantFail(table.add(layout, weights, scale));
  }

  std::unique_ptr<Module> module;
  WeightTable table;
};

TEST_F(WeightTableTest, EqualItemsAreHeldOnce) {
  const Value *w = weight("w"), *u = weight("u"), *norm = weight("linear_norm"), *other = weight("swiglu_norm");
  std::set<size_t> distinct = {add(Layout::Atoms, {w}),
                               add(Layout::Atoms, {u}),
                               add(Layout::Atoms, {w, u}),
                               add(Layout::SwigluAtoms, {w, u}),
                               add(Layout::Atoms, {w}, norm),
                               add(Layout::Atoms, {w}, other),
                               add(Layout::SwigluAtoms, {w, u}, norm),
                               add(Layout::Floats, {norm})};
  EXPECT_EQ(distinct.size(), 8u);
  EXPECT_EQ(add(Layout::Atoms, {w}), 0u);
  EXPECT_EQ(add(Layout::Atoms, {w}, norm), 4u);
  EXPECT_EQ(add(Layout::SwigluAtoms, {w, u}, norm), 6u);
  EXPECT_EQ(table.all().size(), 8u);
}

TEST_F(WeightTableTest, ItemsFollowEachOtherAligned) {
  add(Layout::Floats, {weight("bias")});
  add(Layout::Atoms, {weight("w"), weight("u")});
  add(Layout::Vector, {weight("q_norm")});
  EXPECT_EQ(table[0].offset, 0u);
  EXPECT_EQ(table[0].size, 64u);
  EXPECT_EQ(table[1].offset, 128u);
  EXPECT_EQ(table[1].size, 32u * 64 * 2);
  EXPECT_EQ(table[2].offset, 128u + 4096);
  EXPECT_EQ(table.bytes(), 128u + 4096 + 128);
}

TEST_F(WeightTableTest, PacksWithTheColumnScale) {
  FloatTensor w("w", {16, 64}, 1), norm("linear_norm", {64}, 2);
  TensorLookup find = [&](llvm::StringRef name) -> const WeightTensor * {
    return name == "w" ? &w : name == "linear_norm" ? &norm : nullptr;
  };
  const WeightItem &scaled = table[add(Layout::Atoms, {weight("w")}, weight("linear_norm"))];
  std::vector<uint8_t> got(scaled.size), want(scaled.size), plain(scaled.size);
  llvm::cantFail(packWeight(scaled, find, got));
  llvm::cantFail(packAtoms({&w}, false, norm.values, want));
  llvm::cantFail(packAtoms({&w}, false, {}, plain));
  EXPECT_EQ(got, want);
  EXPECT_NE(got, plain);
}

TEST_F(WeightTableTest, NamesTheTensorThatIsMissing) {
  FloatTensor w("w", {16, 64});
  TensorLookup find = [&](llvm::StringRef name) -> const WeightTensor * { return name == "w" ? &w : nullptr; };
  WeightItem scaled = table[add(Layout::Atoms, {weight("w")}, weight("linear_norm"))];
  WeightItem pair = table[add(Layout::SwigluAtoms, {weight("w"), weight("u")})];
  std::vector<uint8_t> out(pair.size);
  EXPECT_EQ(llvm::toString(packWeight(scaled, find, {out.data(), scaled.size})), "no tensor 'linear_norm'");
  EXPECT_EQ(llvm::toString(packWeight(pair, find, out)), "no tensor 'u'");
}

TEST_F(WeightTableTest, NormWeightsAreThoseOfNorms) {
  for (llvm::StringRef name : {"plain_norm", "linear_norm", "swiglu_norm", "head_norm", "sum_norm", "q_norm", "k_norm"})
    EXPECT_TRUE(isNormWeight(*weight(name))) << name.str();
  for (llvm::StringRef name : {"w", "u", "bias", "unread"})
    EXPECT_FALSE(isNormWeight(*weight(name))) << name.str();
}

} // namespace
} // namespace sinter
