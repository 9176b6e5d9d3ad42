// SPDX-License-Identifier: Apache-2.0
// Eight groups encoded at once are byte for byte what quantizeBlock makes of each.
#include "KernelHarness.h"
#include "templates/cpu/quantize_eight.h"

using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

/// Rows whose groups differ in size by many orders of magnitude; some are zero, or too small to tell from it.
std::vector<float> wildRow(int64_t k, uint32_t seed) {
  std::vector<float> row = randomFloats(k, seed), powers = randomFloats(k / q8Block, seed + 1, 8.0f);
  for (int64_t i = 0; i < k; ++i) {
    int64_t g = i / q8Block;
    row[i] *= g % 5 == 3 ? 0.0f : g % 7 == 2 ? 1e-32f : std::exp(powers[g]);
  }
  return row;
}

TEST(QuantizeEight, MatchesSingleGroups) {
  for (int64_t k : {32, 224, 256, 288, 576, 1536})
    for (uint32_t seed = 0; seed < 20; ++seed) {
      std::vector<float> row = wildRow(k, seed);
      Buffer want(q8RecordBytes(k)), whole(q8RecordBytes(k)), batched(q8RecordBytes(k));
      quantizeRow(row.data(), k, want.data());
      quantizeWholeRow(row.data(), k, whole.data());
      {
        BlockBatch batch(k);
        for (int64_t g = k / q8Block - 1; g >= 0; --g)
          batch.add(row.data() + g * q8Block, g, batched.data());
      }
      EXPECT_TRUE(whole == want) << k;
      EXPECT_TRUE(batched == want) << k;
    }
}

} // namespace
