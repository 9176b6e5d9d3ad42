// SPDX-License-Identifier: Apache-2.0
// RMS norms against float64 loops.
#include "templates/cpu/norm.h"
#include "KernelHarness.h"

using namespace sinter;
using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

std::vector<double> normReference(const std::vector<float> &x, const std::vector<float> &w, double eps) {
  size_t n = w.size();
  std::vector<double> y;
  for (size_t row = 0; row < x.size(); row += n) {
    double squares = 0;
    for (size_t i = 0; i < n; ++i)
      squares += double(x[row + i]) * x[row + i];
    for (size_t i = 0; i < n; ++i)
      y.push_back(x[row + i] * w[i] / std::sqrt(squares / double(n) + eps));
  }
  return y;
}

template <RmsNormConfig C>
Buffer runNorm(int32_t rows, int32_t threads, bool check) {
  std::vector<float> x = rounded(C.in, randomFloats(rows * C.hidden, 1, 3.0f));
  std::vector<float> w = rounded(C.weight, randomFloats(C.hidden, 2));
  Buffer xs = encode(C.in, x), ws = encode(C.weight, w), y(rows * rowBytes(C.out, C.hidden));
  rt::Step step;
  (C.rows == Rows::Tokens ? step.numTokens : step.numLogits) = rows;
  runTeam(rmsNorm<C>, step, {&xs, &ws, &y}, C.scratchBytes(), threads);
  if (check)
    expectClose(decode(C.out, y, C.hidden), normReference(x, w, C.eps), tolerance(C.out), 1e-3);
  return y;
}

constexpr RmsNormConfig wide{.hidden = 576, .eps = 1e-5f};
constexpr RmsNormConfig odd{.hidden = 20,
                            .eps = 1e-6f,
                            .in = Element::BF16,
                            .weight = Element::F16,
                            .out = Element::BF16,
                            .rows = Rows::Logits};
constexpr RmsNormConfig half{
    .hidden = 33, .eps = 1e-6f, .in = Element::F16, .weight = Element::BF16, .out = Element::F16};
constexpr RmsNormConfig wideQ8{.hidden = 576, .eps = 1e-5f, .out = Element::Q8};

TEST(Norm, MatchesTheFormula) {
  runNorm<wide>(5, 1, true);
  runNorm<odd>(7, 1, true);
  runNorm<half>(3, 1, true);
}

TEST(Norm, EncodesTheFloatRow) {
  Buffer q8 = runNorm<wideQ8>(5, 1, false), floats = runNorm<wide>(5, 1, false);
  expectQ8Of(q8, floats, wide.hidden);
}

TEST(Norm, DoesNotDependOnTheTeam) {
  Buffer one = runNorm<wide>(5, 1, true);
  for (int32_t threads : {2, 3, 8})
    EXPECT_TRUE(runNorm<wide>(5, threads, true) == one);
}

TEST(Norm, NormalisesEveryHead) {
  constexpr HeadRmsNormConfig C{.heads = 3, .headDim = 20, .eps = 1e-6f, .in = Element::BF16};
  std::vector<float> x = rounded(C.in, randomFloats(4 * C.hidden(), 3)), w = randomFloats(C.headDim, 4);
  Buffer xs = encode(C.in, x), ws = encode(C.weight, w), y(4 * rowBytes(C.out, C.hidden()));
  rt::Step step{.numTokens = 4};
  runTeam(headRmsNorm<C>, step, {&xs, &ws, &y}, C.scratchBytes(), 2);
  expectClose(decode(C.out, y, C.hidden()), normReference(x, w, C.eps), tolerance(C.out), 1e-3);
}

template <AddRmsNormConfig C>
void checkAddNorm(int32_t rows, int32_t threads) {
  std::vector<float> x = rounded(C.x, randomFloats(rows * C.hidden, 5));
  std::vector<float> r = rounded(C.residual, randomFloats(rows * C.hidden, 6));
  std::vector<float> w = rounded(C.weight, randomFloats(C.hidden, 7)), total;
  for (size_t i = 0; i < x.size(); ++i)
    total.push_back(rounded(C.sum, x[i] + r[i]));
  Buffer xs = encode(C.x, x), rs = encode(C.residual, r), ws = encode(C.weight, w);
  Buffer sum(rows * rowBytes(C.sum, C.hidden)), y(rows * rowBytes(C.out, C.hidden));
  rt::Step step{.numTokens = rows};
  runTeam(addRmsNorm<C>, step, {&xs, &rs, &ws, &sum, &y}, C.scratchBytes(), threads);
  EXPECT_EQ(decode(C.sum, sum, C.hidden), total);
  expectClose(decode(C.out, y, C.hidden), normReference(total, w, C.eps), tolerance(C.out), 1e-3);
}

TEST(Norm, AddsRoundsAndNormalises) {
  checkAddNorm<{.hidden = 576, .eps = 1e-5f}>(3, 2);
  checkAddNorm<{.hidden = 50,
                .eps = 1e-5f,
                .x = Element::BF16,
                .residual = Element::F16,
                .weight = Element::BF16,
                .sum = Element::BF16,
                .out = Element::F16}>(4, 1);
}

TEST(Norm, SumMayReplaceTheResidual) {
  constexpr AddRmsNormConfig C{.hidden = 36, .eps = 1e-5f};
  Buffer x = encode(C.x, randomFloats(C.hidden, 8)), w = encode(C.weight, randomFloats(C.hidden, 9));
  Buffer r = encode(C.residual, randomFloats(C.hidden, 10)), inPlace = encode(C.residual, randomFloats(C.hidden, 10));
  Buffer sum(C.hidden * 4), y(C.hidden * 4), same(C.hidden * 4);
  rt::Step step{.numTokens = 1};
  runTeam(addRmsNorm<C>, step, {&x, &r, &w, &sum, &y}, C.scratchBytes());
  runTeam(addRmsNorm<C>, step, {&x, &inPlace, &w, &inPlace, &same}, C.scratchBytes());
  EXPECT_TRUE(sum == inPlace);
  EXPECT_TRUE(y == same);
}

} // namespace
