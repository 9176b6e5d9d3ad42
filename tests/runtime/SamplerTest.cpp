// SPDX-License-Identifier: Apache-2.0
// The sampler: each parameter's effect on small vectors, distributions over many draws, and its primitives against
// plain code.
#include "runtime/engine/Sampler.h"
#include "runtime/engine/Philox.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>

namespace sinter::rt {
namespace {

using Floats = std::vector<float>;

Floats logitsOf(const std::vector<double> &probabilities) {
  Floats logits;
  for (double p : probabilities)
    logits.push_back(static_cast<float>(std::log(p) + 3)); // any constant
  return logits;
}

Floats randomLogits(size_t count, uint32_t seed, float deviation = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  Floats logits(count);
  for (float &logit : logits)
    logit = normal(random);
  return logits;
}

struct Draws {
  std::map<int32_t, int64_t> counts;
  int64_t total = 0;
};

Draws drawMany(const Floats &logits, const SamplingParams &params, int64_t count, uint64_t seed = 7) {
  Sampler sampler;
  TokenHistory history;
  Draws draws;
  for (int64_t i = 0; i < count; ++i) {
    auto sample = sampler.sample({logits, params, history, seed, static_cast<uint64_t>(i)});
    EXPECT_TRUE(sample);
    ++draws.counts[*sample];
    ++draws.total;
  }
  return draws;
}

/// Chi-square against these probabilities, at most `limit`: the 0.1 % quantile of its degrees of freedom.
void expectDistribution(const Draws &draws, const std::vector<double> &probabilities, double limit) {
  double chiSquare = 0, sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
  for (size_t token = 0; token < probabilities.size(); ++token) {
    auto found = draws.counts.find(static_cast<int32_t>(token));
    double seen = found == draws.counts.end() ? 0 : static_cast<double>(found->second);
    double expected = probabilities[token] / sum * static_cast<double>(draws.total);
    if (expected == 0)
      EXPECT_EQ(seen, 0) << "token " << token;
    else
      chiSquare += (seen - expected) * (seen - expected) / expected;
  }
  EXPECT_LT(chiSquare, limit);
}

int32_t greedy(const Floats &logits, const SamplingParams &params, const TokenHistory &history = {}) {
  Sampler sampler;
  auto sample = sampler.sample({logits, params, history, 0, 0});
  EXPECT_TRUE(sample);
  return *sample;
}

const std::vector<double> kFive = {0.1, 0.4, 0.05, 0.25, 0.2};

TEST(Philox, KnownAnswers) { // of Random123's kat_vectors
  using Four = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  for (size_t size : {1, 15, 64, 1000, 1024, 1025, 49152})
    for (uint32_t seed = 0; seed < 4; ++seed) {
      Floats logits = randomLogits(size, seed);
      if (seed == 0)
        std::ranges::fill(logits, 0.5f);
      EXPECT_EQ(greedy(logits, {}), std::ranges::max_element(logits) - logits.begin());
    }
}

TEST(Sampler, Temperature) {
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1}, 20000), kFive, 18.5);
  std::vector<double> sharp, flat;
  for (double p : kFive) {
    sharp.push_back(p * p);
    flat.push_back(std::sqrt(p));
  }
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 0.5f}, 20000), sharp, 18.5);
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 2}, 20000), flat, 18.5);
}

TEST(Sampler, TopK) {
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .topK = 3}, 20000), {0, 0.4, 0, 0.25, 0.2}, 13.8);
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .topK = 99}, 20000), kFive, 18.5);
  EXPECT_EQ(drawMany(logitsOf(kFive), {.temperature = 1, .topK = 1}, 100).counts.size(), 1u);
  EXPECT_EQ(drawMany(Floats(3000, 1.0f), {.temperature = 1, .topK = 2}, 100).counts.rbegin()->first, 1)
      << "equal ones by token id";
}

TEST(Sampler, TopP) {
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .topP = 0.6f}, 20000), {0, 0.4, 0, 0.25, 0}, 10.8);
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .topP = 0.7f}, 20000), {0, 0.4, 0, 0.25, 0.2}, 13.8);
  EXPECT_EQ(drawMany(logitsOf(kFive), {.temperature = 1, .topP = 0.01f}, 100).counts.size(), 1u)
      << "at least one token stays";
}

TEST(Sampler, MinP) {
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .minP = 0.45f}, 20000), {0, 0.4, 0, 0.25, 0.2}, 13.8);
  // Relative to the distribution that temperature made: 0.25 / 0.4 squared is 0.39.
  EXPECT_EQ(drawMany(logitsOf(kFive), {.temperature = 0.5f, .minP = 0.45f}, 200).counts.size(), 1u);
}

TEST(Sampler, FiltersRenormalizeOneAfterTheOther) {
  // top-k leaves 0.4 0.25 0.2, of which 0.4 and 0.25 are 76 %: top-p 0.7 needs both, of the whole it would need three.
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .topK = 3, .topP = 0.7f}, 20000),
                     {0, 0.4, 0, 0.25, 0}, 10.8);
  // min-p leaves the same three before top-p.
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .topP = 0.7f, .minP = 0.45f}, 20000),
                     {0, 0.4, 0, 0.25, 0}, 10.8);
  // min-p cuts top-k's three to two.
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .topK = 3, .minP = 0.55f}, 20000),
                     {0, 0.4, 0, 0.25, 0}, 10.8);
}

/// Which tokens stay in a large, flat distribution, against sorting all of it.
TEST(Sampler, TopPOfALargeVocabulary) {
  for (float deviation : {0.0f, 0.5f, 2.0f, 6.0f}) {
    Floats logits = randomLogits(5000, 11, deviation);
    std::vector<int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    double total = 0, sum = 0;
    for (float logit : logits)
      total += std::exp(static_cast<double>(logit));
    size_t kept = 0;
    while (sum < 0.6 * total)
      sum += std::exp(static_cast<double>(logits[order[kept++]]));
    std::vector<int32_t> rank(order.size());
    for (size_t i = 0; i < order.size(); ++i)
      rank[order[i]] = static_cast<int32_t>(i);
    int32_t lastRank = 0;
    double expectedRank = 0, meanRank = 0;
    for (size_t i = 0; i < kept; ++i)
      expectedRank += std::exp(static_cast<double>(logits[order[i]])) / sum * static_cast<double>(i);
    Draws draws = drawMany(logits, {.temperature = 1, .topP = 0.6f}, 2000);
    for (auto [token, count] : draws.counts) {
      lastRank = std::max(lastRank, rank[token]);
      meanRank += static_cast<double>(rank[token]) * static_cast<double>(count) / static_cast<double>(draws.total);
    }
    EXPECT_LE(lastRank, static_cast<int32_t>(kept)) << "one token of rounding at most";
    EXPECT_NEAR(meanRank, expectedRank, 0.05 * static_cast<double>(kept)) << "deviation " << deviation;
  }
}

/// More than 256 tokens stay: the draw takes them in the order that Sampler.h states, whatever made the cut.
TEST(Sampler, WideTopPDrawsInTheOrderOfTheRow) {
  Floats logits = randomLogits(5000, 23, 0.7f);
  auto weight = [&](int32_t token) { return std::exp(static_cast<double>(logits[token])); };
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  double total = 0, mass = 0, sum = 0;
  for (int32_t token : order)
    total += weight(token);
  std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  size_t kept = 0;
  while (mass < 0.6 * total)
    mass += weight(order[kept++]);
  order.resize(kept);
  std::ranges::sort(order, {}, [](int32_t id) { return std::array{id / 1024, id % 16, id}; });
  Sampler sampler;
  for (uint64_t i = 0; i < 500; ++i) {
    sum = 0;
    auto expected = std::ranges::find_if(order, [&](int32_t id) { return (sum += weight(id)) > uniform(5, i) * mass; });
    auto token = sampler.sample({logits, {.temperature = 1, .topP = 0.6f}, TokenHistory(), 5, i});
    ASSERT_TRUE(token);
    EXPECT_EQ(*token, *expected) << "draw " << i;
  }
}

TEST(Sampler, RepetitionPenaltyAsHuggingFace) {
  TokenHistory history;
  history.addPrompt(std::vector<int32_t>{0, 0, 0});
  history.addOutput(2);
  Floats logits = {3.0f, 1.9f, -1.0f, -1.9f};
  history.penalize(logits, {.repetitionPenalty = 2});
  EXPECT_EQ(logits, (Floats{1.5f, 1.9f, -2.0f, -1.9f})) << "once however often, divided or multiplied by sign";
  EXPECT_EQ(greedy({3.0f, 1.9f, -1.0f, -1.9f}, {.repetitionPenalty = 2}, history), 1);
}

TEST(Sampler, PresenceAndFrequencyPenaltiesAsOpenAI) {
  TokenHistory history;
  history.addPrompt(std::vector<int32_t>{0, 1});
  for (int32_t token : {1, 2, 2, 2})
    history.addOutput(token);
  Floats logits = {1, 1, 1, 1};
  history.penalize(logits, {.presencePenalty = 0.5f, .frequencyPenalty = 0.25f});
  EXPECT_EQ(logits, (Floats{1, 0.25f, -0.25f, 1})) << "over the output only";
}

TEST(Sampler, LogitBias) {
  EXPECT_EQ(greedy({1, 2, 3}, {.logitBias = {{0, 2.5f}}}), 0);
  EXPECT_EQ(greedy({1, 2, 3}, {.logitBias = {{2, -INFINITY}}}), 1);
  expectDistribution(drawMany(logitsOf(kFive), {.temperature = 1, .logitBias = {{1, -INFINITY}}}, 20000),
                     {0.1, 0, 0.05, 0.25, 0.2}, 16.3);
}

TEST(Sampler, SeedsAreReproducibleAndDiffer) {
  Floats logits = randomLogits(3000, 5);
  SamplingParams params{.temperature = 1};
  TokenHistory history;
  auto draw = [&](uint64_t seed) {
    Sampler sampler;
    std::vector<int32_t> tokens;
    for (uint64_t i = 0; i < 50; ++i)
      tokens.push_back(sampler.sample({logits, params, history, seed, i}).value());
    return tokens;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(Sampler, BiasComesBeforeTheChoice) { EXPECT_EQ(greedy(logitsOf(kFive), {.logitBias = {{2, 10.0f}}}), 2); }

TEST(Sampler, BadLogitsAreErrors) {
  Sampler sampler;
  auto message = [&](const Floats &logits) {
    SamplingParams params{.temperature = 1};
    auto sample = sampler.sample({logits, params, TokenHistory(), 0, 0});
    return sample ? "" : sample.error().message;
  };
  Floats logits(3000, 1.0f);
  logits[2999] = NAN;
  EXPECT_EQ(message(logits), "the model's logits are not finite: token 2999 has nan");
  logits[2999] = 1;
  logits[1] = NAN;
  EXPECT_EQ(message(logits), "the model's logits are not finite: token 1 has nan");
  EXPECT_EQ(message({1, INFINITY}), "the model's logits are not finite: token 1 has inf");
  EXPECT_EQ(message({-INFINITY, -INFINITY}), "no token can be chosen: every logit is -inf");
  EXPECT_EQ(message({-INFINITY, 0}), "");
}

/// Every instruction set's kernels against plain loops.
TEST(LogitsRow, EveryKernelAgreesWithPlainCode) {
  for (const logits::LogitsKernels *kernels : logits::usableKernels())
    for (size_t size : {1, 7, 1023, 1024, 5000}) {
      Floats logits = randomLogits(size, static_cast<uint32_t>(size));
      logits[size / 2] = -INFINITY;
      if (size == 1)
        logits[0] = 2;
      LogitsRow row(*kernels);
      ASSERT_TRUE(row.scan(logits));
      std::vector<Candidate> sorted, found;
      for (size_t i = 0; i < size; ++i)
        sorted.push_back({logits[i], static_cast<int32_t>(i)});
      std::ranges::sort(sorted, std::less<>());
      for (int32_t count : {0, 1, 5, 200, 1 << 20}) {
        row.largest(count, found);
        ASSERT_EQ(found.size(), std::min<size_t>(count, size));
        for (size_t i = 0; i < found.size(); ++i)
          EXPECT_EQ(found[i].token, sorted[i].token);
      }
      double sum = 0, above = 0;
      for (float logit : logits) {
        sum += std::exp((static_cast<double>(logit) - sorted[0].logit) * 0.7);
        above += logit >= -1 ? std::exp((static_cast<double>(logit) - sorted[0].logit) * 0.7) : 0;
      }
      EXPECT_NEAR(row.sumExp(0.7f, -INFINITY) / sum, 1, 2e-6);
      EXPECT_NEAR(row.sumExp(0.7f, -1), above, above * 2e-6);
      EXPECT_EQ(row.tokenAtSum(above * 2), sorted[0].token) << "past the end, any token with a term will do";
    }
}

} // namespace
} // namespace sinter::rt
