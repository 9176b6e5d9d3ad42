// SPDX-License-Identifier: Apache-2.0
// What comes after the sums: bias, residual, SwiGLU, stacked columns, and every type of output.
#include "Formats.h"
#include "LinearCase.h"

using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

TEST(LinearEpilogue, BiasAndResidualIntoStackedColumns) {
  expectRight<LinearConfig{.k = 64,
                           .n = 37,
                           .weight = q4_0,
                           .x = Element::Q8,
                           .outStride = 61,
                           .outColumn = 11,
                           .argBias = 3,
                           .argResidual = 4}>(2e-7);
}

TEST(LinearEpilogue, Bf16OutputAndResidual) {
  expectRight<LinearConfig{.k = 33,
                           .n = 21,
                           .weight = bf16,
                           .x = Element::BF16,
                           .out = Element::BF16,
                           .residual = Element::BF16,
                           .argBias = 3,
                           .argResidual = 4}>(1.0 / 256);
}

TEST(LinearEpilogue, F16OutputAndResidual) {
  expectRight<LinearConfig{.k = 33,
                           .n = 21,
                           .weight = f16,
                           .x = Element::F16,
                           .out = Element::F16,
                           .residual = Element::F16,
                           .argResidual = 4}>(1.0 / 2048);
}

TEST(LinearEpilogue, LogitRowsOnly) {
  expectRight<LinearConfig{.k = 64, .n = 19, .weight = q8_0, .x = Element::Q8, .rows = Rows::Logits}>(2e-7);
}

TEST(LinearEpilogue, MoreRowsThanABlockOfTokens) {
  constexpr LinearConfig c{.k = 32, .n = 19, .weight = q4_0, .x = Element::Q8};
  constexpr int64_t rows = 2 * LinearPlan<c>::blockTokens + 5;
  LinearCase<c> test(rows);
  Guarded all = test.run(0, rows, 2), some = test.run(rows - 9, 9, 3);
  EXPECT_EQ(std::memcmp(all.as<float>() + (rows - 9) * c.n, some.data(), 9 * c.n * 4), 0);
  for (int64_t r = 0; r < rows; r += 7)
    EXPECT_NEAR(all.as<float>()[r * c.n + 18], test.expected(r, 18).first, 1e-5) << r;
}

TEST(LinearEpilogue, SwigluWithBiases) {
  expectRight<LinearConfig{
      .k = 64, .n = 37, .weight = q4_1, .x = Element::Q8, .swiglu = true, .argBias = 3, .argUpBias = 4}>(5e-7);
}

TEST(LinearEpilogue, SwigluBf16) {
  expectRight<LinearConfig{.k = 64, .n = 48, .weight = bf16, .x = Element::BF16, .out = Element::BF16, .swiglu = true}>(
      1.0 / 256);
}

TEST(LinearEpilogue, SwigluF32) { expectRight<LinearConfig{.k = 40, .n = 37, .weight = f32, .swiglu = true}>(1e-6); }

/// A quantized output is the record that quantizeRow makes of the float output.
template <LinearConfig C>
void expectRecordsOfFloats() {
  static constexpr LinearConfig floats = [] {
    LinearConfig c = C;
    c.out = Element::F32;
    return c;
  }();
  constexpr int64_t rows = 41;
  Guarded records = LinearCase<C>(rows).run(0, rows, 2), exact = LinearCase<floats>(rows).run(0, rows, 2);
  Guarded row(q8RecordBytes(C.n));
  for (int64_t r = 0; r < rows; ++r) {
    quantizeRow(exact.as<float>() + r * C.n, C.n, row.data());
    ASSERT_EQ(std::memcmp(row.data(), records.data() + r * int64_t(q8RecordBytes(C.n)), q8RecordBytes(C.n)), 0) << r;
  }
}

TEST(LinearEpilogue, SwigluIntoRecords) {
  expectRecordsOfFloats<LinearConfig{.k = 64,
                                     .n = 96,
                                     .weight = q4_0,
                                     .x = Element::Q8,
                                     .out = Element::Q8,
                                     .swiglu = true,
                                     .argBias = 3,
                                     .argUpBias = 4}>();
}

TEST(LinearEpilogue, LinearIntoRecords) {
  expectRecordsOfFloats<LinearConfig{.k = 64, .n = 160, .weight = q8_0, .x = Element::Q8, .out = Element::Q8}>();
}

TEST(LinearEpilogue, RecordsDoNotDependOnTheBatch) {
  expectRight<LinearConfig{.k = 64, .n = 96, .weight = q6, .x = Element::Q8, .out = Element::Q8, .swiglu = true}>(0.02);
}

TEST(LinearConfig, KnowsWhatItCannotDo) {
  constexpr LinearConfig good{.k = 64, .n = 32, .weight = q4_0, .x = Element::Q8, .out = Element::Q8};
  static_assert(good.valid());
  auto with = [&](auto change) {
    LinearConfig c = good;
    change(c);
    return c.valid();
  };
  EXPECT_FALSE(with([](auto &c) { c.k = 48; })) << "K must be a multiple of the block";
  EXPECT_FALSE(with([](auto &c) { c.n = 40; })) << "records are made of whole groups";
  EXPECT_FALSE(with([](auto &c) { c.x = Element::F16; })) << "quantized weights take f32 or records";
  EXPECT_FALSE(with([](auto &c) { c.weight = f32; })) << "records need quantized weights";
  EXPECT_FALSE(with([](auto &c) { c.outStride = 16; })) << "columns must fit the row";
  EXPECT_FALSE(with([](auto &c) { c.argUpBias = 3; })) << "only swiglu has an up projection";
  EXPECT_FALSE(with([](auto &c) { c.weight.bits = 3; }));
  EXPECT_FALSE(with([](auto &c) { c.weight.group = 24; }));
  EXPECT_FALSE(with([](auto &c) { c.weight = {.bits = 4, .isSigned = false, .hasMin = true, .group = 16}; }));
}

} // namespace
