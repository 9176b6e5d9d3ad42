// SPDX-License-Identifier: Apache-2.0
// Modules and graphs: names, use lists, rewriting, clones, and what the verifier finds.
#include "ir/Ops.h"
#include "ir/Parser.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

std::unique_ptr<Module> parse(llvm::StringRef text) {
  auto module = parseModule({text, "text"});
  if (!module)
    ADD_FAILURE() << llvm::toString(module.takeError());
  return module ? std::move(*module) : nullptr;
}

std::string textOf(const Module &module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  print(module, os);
  return text;
}

constexpr const char *example = "module @m {max_seq_len = 16}\n"
                                "\n"
                                "weight @w : f32[64]\n"
                                "weight @unused : bf16[2, 3]\n"
                                "\n"
                                "graph @g(%x: f32[T, 64]) {\n"
                                "  layer 1 {\n"
                                "    %a = rms_norm %x, @w {kernel = \"rms_norm\"} : f32[T, 64] at 64\n"
                                "    %s, %h = add_rms_norm %x, %a, @w {eps = 0.5} : f32[T, 64], f32[T, 64]\n"
                                "  }\n"
                                "  return %h, %x\n"
                                "}\n"
                                "\n"
                                "graph @two(%x: f32[T, 64]) {\n"
                                "  return %x\n"
                                "}\n";

TEST(Module, PrintsWhatItRead) { EXPECT_EQ(textOf(*parse(example)), example); }

TEST(Module, ACloneIsEqualAndApart) {
  auto module = parse(example);
  auto copy = module->clone();
  EXPECT_EQ(textOf(*copy), example);
  Graph &graph = *module->findGraph("g");
  graph.opsOf<AddRmsNorm>()[0].get().eps = 1.0;
  module.reset();
  EXPECT_EQ(textOf(*copy), example);
}

TEST(Module, ForgetsUnusedWeights) {
  auto module = parse(example);
  module->eraseUnusedWeights();
  EXPECT_EQ(module->weights().size(), 1u);
  EXPECT_EQ(module->findWeight("unused"), nullptr);
  EXPECT_NE(module->findWeight("w"), nullptr);
}

TEST(Graph, NamesCountOnTogether) {
  auto module = parse(example);
  Graph &graph = *module->findGraph("g");
  EXPECT_EQ(graph.uniqueName("fresh"), "fresh");
  EXPECT_EQ(graph.uniqueName("a"), "a.1");
  EXPECT_EQ(graph.uniqueName("a.1"), "a.2");
  EXPECT_EQ(graph.uniqueName("a.7"), "a.3");
  EXPECT_EQ(graph.uniqueName("model.norm"), "model.norm");
}

TEST(Graph, ReplaceWithTakesOverNamesUsesAndLayer) {
  auto module = parse(example);
  Graph &graph = *module->findGraph("g");
  RmsNorm &norm = graph.opsOf<RmsNorm>()[0];
  Add &add = norm.replaceWith<Add>({&norm.x.get(), &norm.x.get()});
  EXPECT_EQ(str(add), "%a = add %x, %x : f32[T, 64]");
  EXPECT_EQ(add.layer, 1);
  EXPECT_EQ(add.loc.line, 8u);
  EXPECT_TRUE(norm.hasNoUses());
  EXPECT_EQ(graph.eraseDead(), 1u);
  EXPECT_EQ(graph.ops().size(), 2u);
  EXPECT_EQ(llvm::toString(verify(*module)), "");
}

TEST(Graph, AnAttributeNamedLayerIsNotTheOpsLayer) {
  auto module =
      parse("graph @g(%x: f32[T, 64]) {\n  layer 5 {\n    %a = attention %x, %x, %x {head_dim = 16, layer = 3}\n"
            "  }\n  return %a\n}");
  Attention &attention = module->findGraph("g")->opsOf<Attention>()[0];
  auto &paged = attention.insertBefore<PagedAttention>("p", {&attention.q.get()}, [](PagedAttention &op) {
    op.headDim = 16;
    op.kvHeads = 4;
    op.layer = 3;
  });
  EXPECT_EQ(static_cast<Op &>(paged).layer, 5);
  EXPECT_EQ(*paged.layer, 3);
}

TEST(Graph, TryInsertSaysWhatDoesNotFit) {
  auto module = parse(example);
  Graph &graph = *module->findGraph("two");
  auto slice = std::make_unique<Slice>();
  slice->setPositional({graph.params()[0].get()});
  slice->begin = 60;
  slice->size = 8;
  auto inserted = graph.tryInsert(std::move(slice), nullptr, "y");
  ASSERT_FALSE(bool(inserted));
  EXPECT_EQ(llvm::toString(inserted.takeError()), "columns [60, 68) are not within the 64 of 'x'");
  EXPECT_TRUE(graph.ops().empty());
}

TEST(Module, AWeightHasOneType) {
  Module module;
  ASSERT_TRUE(bool(module.weight("w", Type(Scalar::F32, {4}), {})));
  EXPECT_TRUE(bool(module.weight("w", Type(Scalar::F32, {4}), {})));
  auto other = module.weight("w", Type(Scalar::F32, {5}), {});
  ASSERT_FALSE(bool(other));
  EXPECT_EQ(llvm::toString(other.takeError()), "weight @w is f32[5] here and f32[4] elsewhere");
}

TEST(Verifier, StaleTypes) {
  auto module = parse(example);
  RmsNorm &norm = module->findGraph("g")->opsOf<RmsNorm>()[0];
  norm.to = ElementType(Scalar::BF16);
  EXPECT_EQ(llvm::toString(verify(*module)),
            "graph @g: %a = rms_norm %x, @w {to = bf16, kernel = \"rms_norm\"} : f32[T, "
            "64] at 64: %a is f32[T, 64], expected bf16[T, 64]");
}

TEST(Verifier, UseBeforeDefinition) {
  auto module = parse(example);
  Graph &graph = *module->findGraph("g");
  RmsNorm &norm = graph.opsOf<RmsNorm>()[0];
  norm.x.set(graph.ops().back()->result(0));
  EXPECT_EQ(llvm::toString(verify(*module)),
            "graph @g: %a = rms_norm %s, @w {kernel = \"rms_norm\"} : f32[T, 64] at 64: "
            "%s is used before it is defined");
}

TEST(Verifier, NamesThatAreTakenOrMissing) {
  auto module = parse(example);
  Value &result = module->findGraph("g")->ops().back()->result(1);
  result.name = "a";
  EXPECT_NE(llvm::toString(verify(*module)).find("the name of %a is empty or taken"), std::string::npos);
  result.name = "";
  EXPECT_NE(llvm::toString(verify(*module)).find("the name of % is empty or taken"), std::string::npos);
}

TEST(Verifier, ReturnsOfAnotherGraph) {
  auto module = parse("graph @one(%x: f32[T, 4]) {\n  return %x\n}\n"
                      "graph @two(%y: f32[T, 4]) {\n  %z = add %y, %y\n  return %z\n}");
  module->findGraph("one")->addReturn(module->findGraph("two")->ops().back()->result());
  EXPECT_EQ(llvm::toString(verify(*module)), "graph @one returns %z, which it does not define");
}

} // namespace
} // namespace sinter
