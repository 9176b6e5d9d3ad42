// SPDX-License-Identifier: Apache-2.0
// The interpreter on numbers that can be checked by hand, and the errors of a step that does not fit its graph.
#include "ir/Interpreter.h"
#include "ir/Parser.h"
#include <cmath>
#include <gmock/gmock.h>
#include <regex>

namespace sinter {
namespace {

using testing::FloatNear;
using testing::Pointwise;

/// Weights as the test wrote them.
class GivenWeights : public WeightSource {
public:
  std::map<std::string, std::vector<float>> data;
  llvm::Expected<Tensor> read(const Value &weight) override {
    Tensor t{weight.type.element, {}, data.at(weight.name)};
    for (Dim d : weight.type.shape)
      t.shape.push_back(d.number());
    return t;
  }
};

class Evaluate : public testing::Test {
protected:
  GivenWeights weights;
  KvState kv;
  EvalStep step{.tokens = {0, 0}, .positions = {0, 1}, .sequences = {0, 0}, .logitRows = {1}};

  /// The first return of a graph; inputs in the order of its parameters, T = 2 rows each.
  llvm::Expected<std::vector<float>> run(llvm::StringRef text, std::vector<std::vector<float>> inputs) {
    auto module = llvm::cantFail(parseModule({text, "text"}));
    const Graph &graph = *module->graphs()[0];
    std::vector<Tensor> tensors;
    for (auto [param, data] : llvm::zip_equal(graph.params(), inputs)) {
      tensors.push_back({param->type.element, {}, data});
      for (Dim d : param->type.shape)
        tensors.back().shape.push_back(d.resolve(int64_t(step.tokens.size()), int64_t(step.logitRows.size())));
    }
    Evaluator evaluator(graph, weights, kv);
    if (llvm::Error e = evaluator.run(step, std::move(tensors)))
      return e;
    return evaluator.returns()[0].data;
  }

  void expect(llvm::StringRef text, std::vector<std::vector<float>> inputs, std::vector<float> expected) {
    auto result = run(text, std::move(inputs));
    ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
    EXPECT_THAT(*result, Pointwise(FloatNear(1e-6f), expected));
  }
  void expectError(llvm::StringRef text, std::vector<std::vector<float>> inputs, llvm::StringRef part) {
    auto result = run(text, std::move(inputs));
    ASSERT_FALSE(bool(result));
    EXPECT_THAT(llvm::toString(result.takeError()), testing::HasSubstr(part.str()));
  }
};

TEST_F(Evaluate, RmsNorm) {
  weights.data["w"] = {1, 10};
  expect("weight @w : f32[2]\ngraph @g(%x: f32[T, 2]) {\n%y = rms_norm %x, @w {eps = 0.0}\nreturn %y\n}",
         {{1, 7, 3, -3}}, {0.2f, 14, 1, -10}); // mean squares 25 and 9
}

TEST_F(Evaluate, AddRmsNormNormsTheRoundedSum) {
  weights.data["w"] = {1, 1};
  expect(
      "weight @w : f32[2]\ngraph @g(%x: bf16[T, 2], %d: bf16[T, 2]) {\n%s, %y = add_rms_norm %x, %d, @w {to = f32, eps "
      "= 0.0}\nreturn %s\n}",
      {{256, 0, 1, 0}, {1, 0, 1, 0}}, {256, 0, 2, 0}); // 257 is no bf16: a tie, to even
}

TEST_F(Evaluate, StackedLinearWithBiasAndResidual) {
  weights.data = {{"a", {1, 2}}, {"b", {3, 4, 5, 6}}, {"p", {100}}, {"q", {200, 300}}};
  expect(
      "weight @a : f32[1, 2]\nweight @b : f32[2, 2]\nweight @p : f32[1]\nweight @q : f32[2]\n"
      "graph @g(%x: f32[T, 2], %r: f32[T, 3]) {\n%y = linear %x, @a, @b {bias = [@p, @q], residual = %r}\nreturn %y\n}",
      {{1, 0, 0, 1}, {0, 0, 0, 1000, 2000, 3000}}, {101, 203, 305, 1102, 2204, 3306});
}

TEST_F(Evaluate, SwigluIsSiluOfGateTimesUp) {
  weights.data = {{"g", {1}}, {"u", {2}}};
  float silu = 1 / (1 + std::exp(-1.0f));
  expect(
      "weight @g : f32[1, 1]\nweight @u : f32[1, 1]\ngraph @g(%x: f32[T, 1]) {\n%y = swiglu_linear %x, @g, @u\nreturn "
      "%y\n}",
      {{1, 0}}, {2 * silu, 0});
}

TEST_F(Evaluate, MatmulsNormTheirInput) {
  weights.data = {{"n", {1, 10}}, {"w", {1, 1}}, {"g", {1, 0}}, {"u", {0, 1}}, {"b", {100}}};
  // The input of RmsNorm above: normed it is {0.2, 14} and {1, -10}.
  expect("weight @n : f32[2]\nweight @w : f32[1, 2]\nweight @b : f32[1]\ngraph @g(%x: f32[T, 2]) {\n"
         "%y = linear %x, @w {bias = @b, norm = @n, eps = 0.0}\nreturn %y\n}",
         {{1, 7, 3, -3}}, {114.2f, 91});
  auto silu = [](float v) { return v / (1 + std::exp(-v)); };
  expect("weight @n : f32[2]\nweight @g : f32[1, 2]\nweight @u : f32[1, 2]\ngraph @g(%x: f32[T, 2]) {\n"
         "%y = swiglu_linear %x, @g, @u {norm = @n, eps = 0.0}\nreturn %y\n}",
         {{1, 7, 3, -3}}, {silu(0.2f) * 14, silu(1) * -10});
}

TEST_F(Evaluate, RopeTurnsPairsHalfAHeadApart) {
  step.positions = {0, 1};
  float c = std::cos(1.0f), s = std::sin(1.0f), c2 = std::cos(0.01f), s2 = std::sin(0.01f);
  expect("graph @g(%x: f32[T, 4], %p: i32[T]) {\n%y = rope %x, %p {rope = {rope_type = \"default\"}, head_dim = 4}\n"
         "return %y\n}",
         {{1, 2, 3, 4, 1, 2, 3, 4}, {0, 1}}, {1, 2, 3, 4, c - 3 * s, 2 * c2 - 4 * s2, 3 * c + s, 4 * c2 + 2 * s2});
}

TEST_F(Evaluate, AttentionIsCausalAndSharesKeysInGroups) {
  // Two query heads share one key head. Equal scores: the mean of the values so far.
  expect(
      "graph @g(%q: f32[T, 2], %k: f32[T, 1], %v: f32[T, 1]) {\n%y = attention %q, %k, %v {head_dim = 1, layer = 0}\n"
      "return %y\n}",
      {{0, 0, 0, 1}, {0, std::log(3.0f)}, {10, 20}},
      {10, 10, 15, 0.25f * 10 + 0.75f * 20}); // scores 0 and ln 3: weights 1/4 and 3/4
}

TEST_F(Evaluate, SequencesDoNotSeeEachOther) {
  step = {.tokens = {0, 0}, .positions = {0, 0}, .sequences = {7, 9}, .logitRows = {0, 1}};
  const char *text = "graph @g(%q: f32[T, 1], %v: f32[T, 1]) {\nappend_kv %v, %v {head_dim = 1, layer = 2}\n"
                     "%y = paged_attention %q {head_dim = 1, kv_heads = 1, layer = 2}\nreturn %y\n}";
  expect(text, {{0, 0}, {1, 5}}, {1, 5});
  step.positions = {1, 1};
  expect(text, {{0, 0}, {3, 7}}, {2, 6}); // the first step's values are still there
}

TEST(EvaluateRopeAttention, IsItsPartsOneAfterAnother) {
  constexpr llvm::StringLiteral head = R"(
weight @qn : f32[16]
weight @kn : f32[16]
graph @g(%qkv: f32[T, 128], %p: i32[T]) {
  %t = rope_table {rope = {rope_type = "default"}, head_dim = 16, positions = 16}
)";
  constexpr llvm::StringLiteral attributes =
      "{q_norm = @qn, k_norm = @kn, heads = 4, kv_heads = 2, head_dim = 16, layer = 1, eps = 1e-2, kv_type = bf16";
  std::string parts =
      (head + "%q = rope_append %qkv, %p, %t " + attributes + "}\n" +
       "%a = paged_attention %q {head_dim = 16, kv_heads = 2, layer = 1, scale = 0.5, kv_type = bf16}\n" +
       "return %a\n}")
          .str();
  std::string whole = (head + "%a = rope_attention %qkv, %p, %t " + attributes + ", scale = 0.5}\nreturn %a\n}").str();
  // A prompt, then a step on top of what it left in the cache.
  auto run = [](llvm::StringRef text, KvState &kv) {
    auto module = llvm::cantFail(parseModule({text, "text"}));
    RandomWeights weights(1);
    std::vector<float> all;
    for (const StepShape &shape : {StepShape{}, StepShape{.begin = {5, 3}, .lengths = {1, 2}}}) {
      RandomStep random = randomStep(*module->graphs()[0], 7, shape);
      Evaluator evaluator(*module->graphs()[0], weights, kv);
      llvm::cantFail(evaluator.run(random.step, std::move(random.inputs)));
      llvm::append_range(all, evaluator.returns()[0].data);
    }
    return all;
  };
  KvState kvOfParts, kvOfWhole;
  std::vector<float> expected = run(parts, kvOfParts);
  EXPECT_EQ(run(whole, kvOfWhole), expected);
  ASSERT_EQ(kvOfWhole.entries.size(), 2u);
  for (auto &[place, rows] : kvOfParts.entries) {
    EXPECT_EQ(kvOfWhole.entries.at(place).k, rows.k);
    EXPECT_EQ(kvOfWhole.entries.at(place).v, rows.v);
  }
  KvState kvOther;
  EXPECT_NE(run(std::regex_replace(whole, std::regex("k_norm = @kn"), "k_norm = @qn"), kvOther), expected);
}

TEST_F(Evaluate, LastTokensTakesTheRowsThatWantLogits) {
  expect("graph @g(%x: f32[T, 1]) {\n%y = last_tokens %x\nreturn %y\n}", {{3, 4}}, {4});
}

TEST_F(Evaluate, TokensOutsideTheTable) {
  weights.data["e"] = {1, 2, 3};
  const char *text = "weight @e : f32[3, 1]\ngraph @g(%t: i32[T]) {\n%y = embed %t, @e\nreturn %y\n}";
  expect(text, {{2, 0}}, {3, 1});
  expectError(text, {{0, 3}}, "token 3 is outside the table of 3 rows");
  expectError(text, {{-1, 0}}, "token -1 is outside the table of 3 rows");
}

TEST_F(Evaluate, PositionsOutsideTheTable) {
  const char *text =
      "graph @g(%x: f32[T, 2], %p: i32[T]) {\n%t = rope_table {rope = {rope_type = \"default\"}, head_dim = "
      "2, positions = 4}\n%y = apply_rope %x, %p, %t\nreturn %y\n}";
  expectError(text, {{0, 0, 0, 0}, {0, 4}}, "position 4 is outside the table of 4 rows");
}

TEST_F(Evaluate, PositionsThatSkip) {
  step.positions = {0, 2};
  expectError("graph @g(%k: f32[T, 1]) {\nappend_kv %k, %k {head_dim = 1, layer = 0}\nreturn %k\n}", {{1, 2}},
              "the KV cache of layer 0 holds 1 tokens of sequence 0, but the next has position 2");
}

} // namespace
} // namespace sinter
