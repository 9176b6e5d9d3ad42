// SPDX-License-Identifier: Apache-2.0
// Every block format against the values that the `gguf` package gives for the same bytes, bit for bit.
#include "compiler/import/Floats.h"
#include "compiler/import/GgmlTypes.h"
#include "tests/import/TestFiles.h"
#include <bit>

using namespace sinter;
using namespace sinter::test;

namespace {

struct Golden {
  uint32_t ggmlType;
  const char *name;
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> bits;
};
const Golden goldens[] = {
#include "tests/import/BlockGolden.inc"
};

class BlockFormats : public testing::TestWithParam<Golden> {
protected:
  /// The blocks as a matrix of two rows.
  Checkpoint open() {
    const Golden &golden = GetParam();
    std::string data(golden.bytes.begin(), golden.bytes.end());
    GgufBuilder b = tinyLlama("qwen2");
    b.tensor("output.weight", {golden.bits.size() / 2, 2}, golden.ggmlType, data);
    return openGood(dir.write("blocks.gguf", b.build()));
  }
  TempDir dir;
};

TEST_P(BlockFormats, DequantizesAsGgufPythonDoes) {
  Checkpoint checkpoint = open();
  std::vector<float> values = valuesOf(checkpoint, "lm_head.weight");
  ASSERT_EQ(values.size(), GetParam().bits.size());
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), GetParam().bits[i]) << GetParam().name << " element " << i;
}

/// value = super scale * sub-scale * code + super minimum * sub-minimum, in the neutral form's own terms.
float neutralValue(const Quant &q, const QuantRows &rows, int64_t i) {
  int64_t group = i / q.group, super = q.subBits ? i / q.super : group;
  float scale = rows.superScales[super] * (q.subBits ? rows.subScales[group] : 1);
  int code = int(rows.codes[i]) - (q.isSigned ? 1 << (q.bits - 1) : 0);
  float value = scale * float(code);
  return q.hasMin ? value + rows.superMins[super] * (q.subBits ? rows.subMins[group] : 1) : value;
}

TEST_P(BlockFormats, NeutralFormMeansTheSameValues) {
  Checkpoint checkpoint = open();
  const WeightTensor &tensor = *checkpoint.find("lm_head.weight");
  QuantRows rows;
  if (!tensor.type.element.isQuantized()) {
    EXPECT_EQ(llvm::toString(tensor.readQuant(0, 1, rows)),
              "blocks.gguf: tensor 'lm_head.weight': expected a quantized type, found " + tensor.type.element.str());
    return;
  }
  ASSERT_FALSE(tensor.readQuant(1, 2, rows)); // the second row alone
  const Quant &q = tensor.type.element.quant();
  int64_t k = tensor.type.dim(1).number();
  EXPECT_EQ(rows.rows, 1);
  EXPECT_EQ(rows.k, k);
  ASSERT_EQ(rows.codes.size(), size_t(k));
  ASSERT_EQ(rows.superScales.size(), size_t(k / (q.super ? q.super : q.group)));
  EXPECT_EQ(rows.superMins.size(), q.hasMin ? rows.superScales.size() : 0);
  EXPECT_EQ(rows.subScales.size(), q.subBits ? size_t(k / q.group) : 0);
  EXPECT_EQ(rows.subMins.size(), q.subBits && q.hasMin ? size_t(k / q.group) : 0);
  for (int64_t i = 0; i < k; ++i) {
    ASSERT_LT(rows.codes[i], 1 << q.bits);
    ASSERT_EQ(std::bit_cast<uint32_t>(neutralValue(q, rows, i)), GetParam().bits[k + i]) << "element " << i;
  }
}

TEST_P(BlockFormats, RowsOutOfRangeAreAnError) {
  Checkpoint checkpoint = open();
  const WeightTensor &tensor = *checkpoint.find("lm_head.weight");
  EXPECT_EQ(llvm::toString(tensor.readFloats(1, 3, {})),
            "blocks.gguf: tensor 'lm_head.weight': expected rows within [0, 2), found [1, 3)");
}

INSTANTIATE_TEST_SUITE_P(All, BlockFormats, testing::ValuesIn(goldens),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(Floats, EveryHalfIsWhatTheCompilerMakesOfIt) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    _Float16 half = std::bit_cast<_Float16>(uint16_t(bits));
    float expected = float(half), found = floatFromHalf(uint16_t(bits));
    if (expected != expected)
      ASSERT_NE(found, found) << bits;
    else
      ASSERT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(expected)) << bits;
  }
}

TEST(Floats, Float32BecomesTheDecimalItWasRoundedFrom) {
  EXPECT_EQ(shortestDouble(1e-5f), 1e-5);
  EXPECT_EQ(shortestDouble(1e-6f), 1e-6);
  EXPECT_EQ(shortestDouble(0.1f), 0.1);
  EXPECT_EQ(shortestDouble(500000.f), 500000.);
  EXPECT_EQ(shortestDouble(-0.0f), 0.0);
}

TEST(GgmlTypes, SupportedOnesAreListedAndOthersNamed) {
  EXPECT_EQ(supportedGgmlTypes(), "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K");
  EXPECT_EQ(findGgmlType(20)->name, "IQ4_NL");
  EXPECT_EQ(findGgmlType(1000), nullptr);
  EXPECT_EQ(storedBytes(ElementType(quant::q6_k), 512), 420u);
}

} // namespace
