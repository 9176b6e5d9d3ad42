// SPDX-License-Identifier: Apache-2.0
// The quantized activation record: codes, scales and sums against plain loops, on random and awkward rows.
#include "templates/cpu/quantize.h"
#include "PackedWeight.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace sinter::cpu;
using sinter::cpu::test::Guarded;

namespace {

void expectRecordOf(const std::vector<float> &x) {
  auto k = int64_t(x.size());
  Guarded record(q8RecordBytes(k));
  quantizeRow(x.data(), k, record.data());
  EXPECT_TRUE(record.intact());
  std::vector<float> scaledSums(size_t(k / q8Block));
  for (int64_t g = 0; g < k / q8Group; ++g) {
    float largest = 0;
    for (int64_t i = g * q8Group; i < (g + 1) * q8Group; ++i)
      largest = std::max(largest, std::abs(x[size_t(i)]));
    float scale = largest < 1e-30f ? 0 : largest / 127;
    EXPECT_EQ(q8Scales(record.data(), k)[g], scale);
    int32_t sum = 0;
    for (int64_t i = g * q8Group; i < (g + 1) * q8Group; ++i) {
      int8_t code = q8Codes(record.data())[i];
      float exact = scale == 0 ? 0 : x[size_t(i)] * (127 / largest);
      EXPECT_EQ(code, int8_t(std::nearbyint(exact))) << exact;
      sum += code;
    }
    EXPECT_EQ(q8NegSums(record.data(), k)[g], -sum);
    float &scaled = scaledSums[size_t(g * q8Group / q8Block)];
    scaled = std::fma(scale, float(sum), scaled);
  }
  for (size_t b = 0; b < scaledSums.size(); ++b)
    EXPECT_EQ(q8ScaledSums(record.data(), k)[b], scaledSums[b]);
}

TEST(Quantize, RecordHoldsCodesScalesAndSums) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (size_t k : {32, 64, 96, 576, 1536}) {
    std::vector<float> x(k);
    for (float &v : x)
      v = normal(random);
    expectRecordOf(x);
  }
}

TEST(Quantize, AwkwardRows) {
  expectRecordOf(std::vector<float>(32, 0.0f));
  expectRecordOf(std::vector<float>(32, 1e-38f));
  expectRecordOf(std::vector<float>(64, 3e38f));
  std::vector<float> ties(32);
  for (size_t i = 0; i < 32; ++i)
    ties[i] = float(i) + 0.5f;
  ties[31] = 127; // so that the scale is 1: every half rounds to even
  expectRecordOf(ties);
  std::vector<float> lonely(96, 0.0f);
  lonely[40] = -5e-20f;
  expectRecordOf(lonely);
}

TEST(Quantize, BlocksInAnyOrderMakeTheSameRecord) {
  std::vector<float> x(96);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = std::sin(float(i * i));
  Guarded row(q8RecordBytes(96), 0), groups(q8RecordBytes(96), 0);
  quantizeRow(x.data(), 96, row.data());
  for (int64_t g : {2, 0, 1})
    quantizeBlock(x.data() + g * q8Block, 96, g, groups.data());
  EXPECT_EQ(std::memcmp(row.data(), groups.data(), q8RecordBytes(96)), 0);
}

TEST(Simd, ExpAndSiluAreAccurate) {
  alignas(64) float in[16], out[16];
  for (float base = -90; base < 89; base += 0.37f) {
    for (int i = 0; i < 16; ++i)
      in[i] = base + 0.02f * float(i);
    store(out, exp(load(in)));
    for (int i = 0; i < 16; ++i) {
      double expected = std::exp(double(std::clamp(in[i], -87.33654f, 88.37626f)));
      EXPECT_NEAR(out[i] / expected, 1, 3e-7) << in[i];
    }
    store(out, silu(load(in)));
    for (int i = 0; i < 16; ++i) {
      double expected = in[i] / (1 + std::exp(-double(in[i])));
      EXPECT_NEAR(out[i], expected, std::abs(expected) * 4e-7 + 1e-35) << in[i];
    }
  }
}

TEST(Simd, NarrowFloatsRoundLikeScalars) {
  std::mt19937 random(2);
  alignas(64) float in[16];
  uint16_t halves[16], brains[16];
  for (int round = 0; round < 2000; ++round) {
    for (float &v : in) {
      uint32_t bits = random();
      std::memcpy(&v, &bits, 4);
    }
    storeHalf(halves, load(in));
    storeBf16(brains, load(in));
    for (int i = 0; i < 16; ++i) {
      if (in[i] == in[i]) {
        EXPECT_EQ(halves[i], floatToHalf(in[i])) << in[i];
        EXPECT_EQ(brains[i], floatToBf16(in[i])) << in[i];
      } else {
        EXPECT_TRUE(std::isnan(halfToFloat(halves[i])) && std::isnan(bf16ToFloat(brains[i])));
      }
    }
  }
}

} // namespace
