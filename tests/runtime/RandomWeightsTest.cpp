// SPDX-License-Identifier: Apache-2.0
// Weights that are made at load: what they are, and that nothing but seed and place matters.
#include "runtime/abi/RandomWeights.h"
#include "runtime/device/Weights.h"
#include "runtime/support/PayloadWriter.h"
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>

using namespace sinter::rt;

namespace {

float fromBfloat(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

TEST(RandomWeights, AreUniform) {
  unsigned long long key = randomWeightKey(5);
  double sum = 0, squares = 0;
  constexpr int count = 100000;
  for (int i = 0; i < count; ++i) {
    float w = randomWeight(key, 2ull * i, false);
    ASSERT_GE(w, -0.02f);
    ASSERT_LT(w, 0.02f);
    sum += w;
    squares += double(w) * w;
  }
  EXPECT_NEAR(sum / count, 0, 2e-4);
  EXPECT_NEAR(std::sqrt(squares / count), 0.02 / std::sqrt(3), 1e-4);
}

TEST(RandomWeights, NormsLieAroundOne) {
  unsigned long long key = randomWeightKey(0);
  for (int i = 0; i < 1000; ++i) {
    float w = randomWeight(key, 4ull * i, true);
    ASSERT_GE(w, 1 - 1.0f / 64);
    ASSERT_LE(w, 1 + 1.0f / 64);
  }
}

TEST(RandomWeights, RoundToTheNearestBfloat) {
  EXPECT_EQ(nearestBfloat(0x3F800000), 0x3F80); // 1
  EXPECT_EQ(nearestBfloat(0x3F808000), 0x3F80); // a tie, to even
  EXPECT_EQ(nearestBfloat(0x3F818000), 0x3F82); // a tie, to even
  EXPECT_EQ(nearestBfloat(0x3F808001), 0x3F81);
  EXPECT_EQ(nearestBfloat(0xBF80FFFF), 0xBF81);
}

/// A payload with 64 stored bytes, and a plan of 4 MiB of weights around them.
class GeneratedWeights : public ::testing::Test {
protected:
  void SetUp() override {
    path = std::filesystem::temp_directory_path() / ("random-weights-" + std::to_string(getpid()));
    std::filesystem::remove(path);
    auto writer = PayloadWriter::append(path);
    std::vector<char> stored(64, 'x');
    ASSERT_TRUE(writer && writer->add("weights", stored.data(), stored.size()) && writer->finish());
  }
  void TearDown() override { std::filesystem::remove(path); }

  std::vector<std::byte> load(int threads, uint64_t seed) {
    Plan plan{};
    plan.weightsBytes = 4 << 20;
    plan.weightRegions = regions;
    plan.numWeightRegions = 4;
    plan.weightSeed = seed;
    auto payload = Payload::open(path);
    auto pool = ThreadPool::create(threads, 0);
    auto weights = Weights::load(plan, *payload, **pool, /*map=*/true);
    EXPECT_TRUE(weights) << weights.error().message;
    return {weights->bytes().begin(), weights->bytes().end()};
  }

  // The second crosses pieces; 64 bytes at 320 are between regions.
  static constexpr WeightRegion regions[] = {{0, 256, WeightFill::Ones, WeightElement::F32, 0},
                                             {256, 64, WeightFill::Stored, WeightElement::F32, 0},
                                             {384, 3 << 20, WeightFill::Uniform, WeightElement::BF16, 0},
                                             {(3 << 20) + 384, 1000, WeightFill::Uniform, WeightElement::F16, 0}};
  std::string path;
};

TEST_F(GeneratedWeights, FillTheirRegions) {
  std::vector<std::byte> bytes = load(1, 9);
  float first;
  std::memcpy(&first, bytes.data(), 4);
  EXPECT_EQ(first, randomWeight(randomWeightKey(9), 0, true));
  for (size_t i = 256; i < 320; ++i)
    EXPECT_EQ(bytes[i], std::byte{'x'});
  for (size_t i = 320; i < 384; ++i)
    EXPECT_EQ(bytes[i], std::byte{0});
  uint16_t bits;
  constexpr uint64_t at = (1 << 20) + 2; // of the second piece
  std::memcpy(&bits, bytes.data() + at, 2);
  EXPECT_NEAR(fromBfloat(bits), randomWeight(randomWeightKey(9), at, false), 1e-4);
  for (size_t i = (3 << 20) + 1384; i < bytes.size(); ++i)
    ASSERT_EQ(bytes[i], std::byte{0});
}

TEST_F(GeneratedWeights, DependOnTheSeedAlone) {
  EXPECT_EQ(load(1, 9), load(3, 9));
  EXPECT_NE(load(1, 9), load(1, 10));
}

TEST_F(GeneratedWeights, NeedTheirStoredBytes) {
  WeightRegion beyond{0, 128, WeightFill::Stored, WeightElement::F32, 0};
  Plan plan{};
  plan.weightsBytes = 128;
  plan.weightRegions = &beyond;
  plan.numWeightRegions = 1;
  auto payload = Payload::open(path);
  auto pool = ThreadPool::create(1, 0);
  auto weights = Weights::load(plan, *payload, **pool);
  ASSERT_FALSE(weights);
  EXPECT_EQ(weights.error().message, path + ": section 'weights' holds less than the plan reads of it");
}

} // namespace
