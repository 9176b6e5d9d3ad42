// SPDX-License-Identifier: Apache-2.0
// The interpreter's rounding: to nearest, ties to even, for every value of the 16-bit types; symmetric quantization.
#include "ir/Interpreter.h"
#include <bit>
#include <cmath>
#include <gtest/gtest.h>

namespace sinter {
namespace {

float rounded(ElementType e, float v) {
  roundTo(e, v);
  return v;
}

float bf16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

float f16(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float magnitude =
      exponent == 0 ? std::ldexp(float(fraction), -24) : std::ldexp(float(1024 + fraction), exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// Every finite pattern keeps its value, and half the way to the next rounds to the even one of the two.
void checkAllPatterns(Scalar scalar, float (*valueOf)(uint16_t), uint16_t infinity) {
  for (uint16_t sign : {0, 0x8000})
    for (uint16_t bits = 0; bits + 1 < infinity; ++bits) {
      float low = valueOf(bits | sign), high = valueOf(uint16_t(bits + 1) | sign);
      float middle = low + (high - low) / 2;
      ASSERT_EQ(rounded(scalar, low), low) << bits;
      ASSERT_EQ(rounded(scalar, middle), bits % 2 ? high : low) << bits;
      ASSERT_EQ(rounded(scalar, std::nextafter(middle, low)), low) << bits;
      ASSERT_EQ(rounded(scalar, std::nextafter(middle, high)), high) << bits;
    }
}

TEST(Rounding, Float16) { checkAllPatterns(Scalar::F16, f16, 0x7c00); }
TEST(Rounding, BFloat16) { checkAllPatterns(Scalar::BF16, bf16, 0x7f80); }

TEST(Rounding, BeyondTheLargestLiesInfinity) {
  EXPECT_EQ(rounded(Scalar::F16, 65519.0f), 65504.0f);
  EXPECT_EQ(rounded(Scalar::F16, 65520.0f), INFINITY);
  EXPECT_EQ(rounded(Scalar::F16, -1e9f), -INFINITY);
  EXPECT_EQ(rounded(Scalar::BF16, 3.4e38f), INFINITY);
  EXPECT_TRUE(std::isnan(rounded(Scalar::BF16, NAN)));
  EXPECT_TRUE(std::isnan(rounded(Scalar::F16, NAN)));
}

TEST(Rounding, Float32StaysAsItIs) { EXPECT_EQ(rounded(Scalar::F32, 0.1f), 0.1f); }

TEST(Rounding, QuantizedActivationsGroupByGroup) {
  std::vector<float> row(64, 0.0f);
  row[0] = 127; // scale 1
  row[1] = -3.4f;
  row[2] = 2.5f; // ties to even
  row[3] = 3.5f;
  row[32] = -0.127f; // scale 0.001 in the second group
  row[33] = 0.0504f;
  roundTo(ElementType(quant::activation), row);
  EXPECT_EQ(row[0], 127);
  EXPECT_EQ(row[1], -3);
  EXPECT_EQ(row[2], 2);
  EXPECT_EQ(row[3], 4);
  EXPECT_FLOAT_EQ(row[32], -0.127f);
  EXPECT_FLOAT_EQ(row[33], 0.05f);
  EXPECT_EQ(row[34], 0);
}

} // namespace
} // namespace sinter
