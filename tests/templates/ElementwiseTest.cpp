// SPDX-License-Identifier: Apache-2.0
// Elementwise kernels, copies and conversions against plain loops.
#include "templates/cpu/elementwise.h"
#include "KernelHarness.h"

using namespace sinter;
using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

constexpr int32_t numRows = 5;

double siluReference(double x) { return x / (1 + std::exp(-x)); }

/// Runs a kernel of two operands of five rows; `oneB`: the second is a row vector.
template <BinaryConfig C>
void checkBinary(rt::KernelFn kernel, double (*reference)(double, double), bool oneB, int32_t threads) {
  std::vector<float> a = rounded(C.a, randomFloats(numRows * C.columns, 1, 4.0f));
  std::vector<float> b = rounded(C.b, randomFloats(oneB ? C.columns : numRows * C.columns, 2));
  std::vector<double> want;
  for (size_t i = 0; i < a.size(); ++i)
    want.push_back(reference(a[i], b[i % b.size()]));
  Buffer as = encode(C.a, a), bs = encode(C.b, b), y(numRows * rowBytes(C.out, C.columns));
  rt::Step step{.numTokens = numRows, .numLogits = numRows};
  runTeam(kernel, step, {&as, &bs, &y}, C.scratchBytes(), threads);
  expectClose(decode(C.out, y, C.columns), want, tolerance(C.out), 1e-3);
}

template <Element a, Element b, Element out>
void checkTypes() {
  constexpr BinaryConfig C{.columns = 52, .a = a, .b = b, .out = out};
  checkBinary<C>(add<C>, [](double x, double y) { return x + y; }, false, 2);
  checkBinary<C>(addBias<C>, [](double x, double y) { return x + y; }, true, 3);
  checkBinary<C>(siluMul<C>, [](double x, double y) { return siluReference(x) * y; }, false, 2);
}

TEST(Elementwise, AddBiasAndSiluMulInEveryType) {
  checkTypes<Element::F32, Element::F32, Element::F32>();
  checkTypes<Element::BF16, Element::F16, Element::BF16>();
  checkTypes<Element::F16, Element::BF16, Element::F16>();
}

TEST(Elementwise, SiluMulEncodesTheFloatRow) {
  constexpr BinaryConfig C{.columns = 96}, toQ8{.columns = 96, .out = Element::Q8};
  Buffer gate = encode(C.a, randomFloats(numRows * 96, 3)), up = encode(C.b, randomFloats(numRows * 96, 4));
  Buffer floats(numRows * 96 * 4), q8(numRows * rowBytes(Element::Q8, 96));
  rt::Step step{.numTokens = numRows};
  runTeam(siluMul<C>, step, {&gate, &up, &floats}, C.scratchBytes());
  runTeam(siluMul<toQ8>, step, {&gate, &up, &q8}, toQ8.scratchBytes(), 2);
  expectQ8Of(q8, floats, 96);
}

TEST(Elementwise, SiluHasLimits) {
  constexpr BinaryConfig C{.columns = 4};
  Buffer gate = encode(C.a, {-1000.0f, 1000.0f, -20.0f, 0.0f}), up = encode(C.b, {1, 1, 1, 1}), y(16);
  runTeam(siluMul<C>, rt::Step{.numTokens = 1}, {&gate, &up, &y}, C.scratchBytes());
  expectClose(decode(C.out, y, 4), {0.0, 1000.0, siluReference(-20), 0.0}, 1e-6, 1e-9);
}

template <CopyConfig C>
std::vector<float> runCopy(rt::KernelFn kernel, const std::vector<float> &x, rt::Step step) {
  Buffer xs = encode(C.in, x), y(rowCount(C.rows, step) * rowBytes(C.out, C.columns));
  runTeam(kernel, step, {&xs, &y}, C.scratchBytes(), 2);
  return decode(C.out, y, C.columns);
}

TEST(Elementwise, CastRoundsToNearestEven) {
  std::vector<float> x = randomFloats(3 * 37, 5);
  x[0] = 1.0f + 1.0f / 256; // halfway between two bfloat16: the even one is below
  x[1] = 1.0f + 3.0f / 256;
  x[2] = 1.0f + 1.0f / 2048; // the same of float16
  rt::Step step{.numTokens = 3};
  constexpr CopyConfig bf16{.columns = 37, .out = Element::BF16}, f16{.columns = 37, .out = Element::F16};
  EXPECT_EQ(runCopy<bf16>(cast<bf16>, x, step), rounded(Element::BF16, x));
  EXPECT_EQ(runCopy<f16>(cast<f16>, x, step), rounded(Element::F16, x));
}

TEST(Elementwise, SliceTakesColumns) {
  constexpr CopyConfig C{.columns = 19, .begin = 7, .inColumns = 30, .in = Element::BF16};
  std::vector<float> x = rounded(C.in, randomFloats(4 * 30, 6)), want;
  for (int row = 0; row < 4; ++row)
    want.insert(want.end(), x.begin() + row * 30 + 7, x.begin() + row * 30 + 26);
  EXPECT_EQ(runCopy<C>(sliceColumns<C>, x, rt::Step{.numTokens = 4}), want);
}

TEST(Elementwise, LastTokensGathersTheRowsOfTheLogits) {
  constexpr CopyConfig C{.columns = 24, .rows = Rows::Logits};
  std::vector<float> x = randomFloats(9 * 24, 7), want;
  std::vector<int32_t> rows{2, 3, 8};
  for (int32_t row : rows)
    want.insert(want.end(), x.begin() + row * 24, x.begin() + row * 24 + 24);
  EXPECT_EQ(runCopy<C>(lastTokens<C>, x, rt::Step{.numTokens = 9, .numLogits = 3, .logitRows = rows.data()}), want);
}

} // namespace
