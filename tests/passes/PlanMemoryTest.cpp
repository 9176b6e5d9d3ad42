// SPDX-License-Identifier: Apache-2.0
// The activation arena: sizes, and plans of random graphs in which no two living values overlap.
#include "passes/PlanMemory.h"
#include "ir/Ops.h"
#include "ir/Parser.h"
#include <gtest/gtest.h>
#include <random>

namespace sinter {
namespace {

const PassOptions options{.maxStepTokens = 24, .maxStepLogits = 3};

TEST(PlanMemory, SizesOfRows) {
  EXPECT_EQ(rowBytes(Scalar::F32, 100), 400u);
  EXPECT_EQ(rowBytes(Scalar::BF16, 100), 200u);
  // templates/cpu/quantize.h: codes to 64 bytes, then 20 bytes a group of 32, to 64 bytes again.
  EXPECT_EQ(rowBytes(ElementType(quant::activation), 32), 64u + 64u);
  EXPECT_EQ(rowBytes(ElementType(quant::activation), 576), 576u + 384u);
  EXPECT_EQ(rowBytes(ElementType(quant::activation), 1536), 1536u + 960u);
  EXPECT_EQ(rowBytes(ElementType(quant::activation), 96), 128u + 64u);
}

TEST(PlanMemory, SizesOfValues) {
  EXPECT_EQ(valueBytes(Type(Scalar::F32, {Dim::T, 10}), options), 960u);
  EXPECT_EQ(valueBytes(Type(Scalar::F32, {Dim::S, 10}), options), 128u); // 120, in whole cache lines
}

/// A graph of random ops over random earlier values, of different widths.
void grow(Graph &graph, std::mt19937 &rng) {
  std::vector<Value *> values{&graph.addParam("x", Type(Scalar::F32, {Dim::T, 64}))};
  auto pick = [&]() -> Value & { return *values[rng() % values.size()]; };
  for (int i = 0; i < 40; ++i) {
    std::unique_ptr<Op> op;
    Value &a = pick();
    int64_t columns = a.type.dim(1).number();
    if (rng() % 3 == 0 && columns > 8) {
      auto slice = std::make_unique<Slice>();
      slice->setPositional({&a});
      slice->begin = 0;
      slice->size = columns / 2;
      op = std::move(slice);
    } else {
      Value &b = pick();
      op = std::make_unique<Add>();
      op->setPositional({&a, b.type == a.type ? &b : &a});
    }
    values.push_back(&graph.insert(std::move(op), nullptr, "v").result());
  }
  graph.addReturn(*values.back());
  graph.addReturn(pick());
}

TEST(PlanMemory, RandomGraphs) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 rng(seed);
    Module module;
    Graph &graph = module.addGraph("g");
    grow(graph, rng);
    planMemory(graph, options);
    if (llvm::Error e = checkMemoryPlan(graph, options))
      FAIL() << "seed " << seed << ": " << llvm::toString(std::move(e));
    uint64_t all = 0;
    for (auto &op : graph.ops())
      all += valueBytes(op->result().type, options);
    EXPECT_GT(arenaBytes(graph, options), 0u);
    EXPECT_LT(arenaBytes(graph, options), all) << "nothing is used again";
  }
}

TEST(PlanMemory, EqualGraphsGetEqualPlans) {
  auto plan = [](unsigned seed) {
    std::mt19937 rng(seed);
    Module module;
    Graph &graph = module.addGraph("g");
    grow(graph, rng);
    planMemory(graph, options);
    std::string text;
    llvm::raw_string_ostream os(text);
    print(module, os);
    return text;
  };
  EXPECT_EQ(plan(7), plan(7));
  EXPECT_NE(plan(7), plan(8));
}

TEST(PlanMemory, TheCheckerSeesOverlapsAndMissingPlaces) {
  Module module;
  Graph &graph = module.addGraph("g");
  std::mt19937 rng(1);
  grow(graph, rng);
  EXPECT_EQ(llvm::toString(checkMemoryPlan(graph, options)), "%v lies at -1, expected a multiple of 64");
  planMemory(graph, options);
  auto usesAnOp = [](auto &op) { return op->operands()[0]->get()->def() && op->result().offset >= 0; };
  Op &second = **llvm::find_if(graph.ops(), usesAnOp);
  Value &operand = *second.operands()[0]->get();
  second.result().offset = operand.offset;
  EXPECT_EQ(llvm::toString(checkMemoryPlan(graph, options)),
            operand.str() + " and " + second.result().str() + " overlap");
  second.result().offset += 4;
  EXPECT_NE(llvm::toString(checkMemoryPlan(graph, options)), "");
}

// A GPU's step in which every row has logits reads %a where last_tokens would have copied it from.
TEST(PlanMemory, RowsThatDenseHeadsReadStay) {
  auto module = llvm::cantFail(parseModule({R"(
weight @w : f32[64]
weight @v : f32[128, 64]
graph @g(%x: f32[T, 64]) {
  %a = rms_norm %x, @w
  %l = last_tokens %a
  %b = rms_norm %l, @w
  %c = linear %b, @v
  return %c
}
)",
                                            "test"}));
  Graph &graph = *module->graphs().front();
  PassOptions cuda = options;
  cuda.target = "cuda";
  planMemory(graph, options);
  EXPECT_EQ(llvm::toString(checkMemoryPlan(graph, cuda)), "%a and %b overlap");
  planMemory(graph, cuda);
  EXPECT_EQ(llvm::toString(checkMemoryPlan(graph, cuda)), "");
}

} // namespace
} // namespace sinter
