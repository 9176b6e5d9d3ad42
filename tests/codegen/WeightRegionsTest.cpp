// SPDX-License-Identifier: Apache-2.0
// Which stretches of the packed weights of a model with random ones are made, and how.
#include "codegen/WeightRegions.h"
#include "ir/Ops.h"
#include "ir/Parser.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

using Layout = WeightItem::Layout;
using rt::WeightElement;
using rt::WeightFill;

class WeightRegions : public ::testing::Test {
protected:
  WeightRegions() {
    constexpr llvm::StringLiteral text = R"(
weight @norm.weight : bf16[128]
weight @w.weight : bf16[32, 128]
weight @w.bias : bf16[32]
weight @narrow.weight : bf16[32, 100]
weight @coded.weight : i8<g32, f16>[32, 128]
graph @step(%x: bf16[T, 128], %y: bf16[T, 100]) {
  %h = rms_norm %x, @norm.weight {eps = 1e-05} : bf16[T, 128]
  %a = linear %h, @w.weight : bf16[T, 32]
  %b = add_bias %a, @w.bias : bf16[T, 32]
  %c = linear %y, @narrow.weight : bf16[T, 32]
  %d = linear %h, @coded.weight : bf16[T, 32]
  return %b
}
)";
    auto parsed = parseModule({text, "test"});
    if (!parsed)
      throw std::runtime_error(llvm::toString(parsed.takeError()));
    module = std::move(*parsed);
  }

  const Value *weight(llvm::StringRef name) {
    for (auto &w : module->weights())
      if (w->name == name)
        return w.get();
    throw std::runtime_error("no weight " + name.str());
  }

  std::unique_ptr<Module> module;
  WeightTable table;
};

TEST_F(WeightRegions, FollowTheItems) {
  llvm::cantFail(table.add(Layout::Floats, {weight("norm.weight")}));
  llvm::cantFail(table.add(Layout::Atoms, {weight("w.weight")}));
  llvm::cantFail(table.add(Layout::Vector, {weight("w.bias")}));
  auto regions = llvm::cantFail(randomRegions(table));
  ASSERT_EQ(regions.size(), 3u);
  for (auto [region, item] : llvm::zip_equal(regions, table.all())) {
    EXPECT_EQ(region.offset, item.offset);
    EXPECT_EQ(region.size, item.size);
  }
  EXPECT_EQ(regions[0].fill, WeightFill::Ones);
  EXPECT_EQ(regions[0].element, WeightElement::F32);
  EXPECT_EQ(regions[1].fill, WeightFill::Uniform);
  EXPECT_EQ(regions[1].element, WeightElement::BF16);
  EXPECT_EQ(regions[2].fill, WeightFill::Uniform);
  EXPECT_EQ(regions[2].element, WeightElement::BF16);
}

TEST_F(WeightRegions, RefuseColumnsOfPadding) {
  llvm::cantFail(table.add(Layout::Atoms, {weight("narrow.weight")}));
  EXPECT_EQ(llvm::toString(randomRegions(table).takeError()),
            "--weights random: @narrow.weight: expected columns in multiples of 64, found 100");
}

TEST_F(WeightRegions, RefuseQuantizedWeights) {
  llvm::cantFail(table.add(Layout::Linear, {weight("coded.weight")}));
  EXPECT_EQ(llvm::toString(randomRegions(table).takeError()),
            "--weights random: expected f32, f16 or bf16, found @coded.weight of type i8<g32, f16>[32, 128]");
}

} // namespace
} // namespace sinter
