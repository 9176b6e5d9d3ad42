// SPDX-License-Identifier: Apache-2.0
// A model for testing the engine whose answers depend on every slot of its KV cache: it writes tokens and positions
// through the block tables, as a kernel writes keys and values, and makes logits from a hash of the context that it
// reads back. A wrong block, a stale slot, a token that was not recomputed: each changes the output.
#pragma once
#include "runtime/device/Executor.h"
#include <algorithm>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace sinter::rt {

class FakeExecutor : public Executor {
public:
  explicit FakeExecutor(const ExecutorLimits &limits)
      : theLimits(limits), slots(static_cast<size_t>(limits.numKvBlocks) * limits.kvBlockTokens, Slot{-1, -1}) {}

  const ExecutorLimits &limits() const override { return theLimits; }

  std::span<const float> run(const Step &step) override {
    checkShape(step);
    write(step);
    logits.resize(static_cast<size_t>(step.numLogits) * theLimits.vocabSize);
    int32_t sequence = 0;
    for (int32_t i = 0; i < step.numLogits; ++i) {
      while (step.queryStart[sequence + 1] <= step.logitRows[i])
        ++sequence;
      answer(hashContext(step, sequence, step.positions[step.logitRows[i]] + 1), row(i));
    }
    ++steps;
    maxTokensSeen = std::max(maxTokensSeen, step.numTokens);
    maxSeqsSeen = std::max(maxSeqsSeen, step.numSeqs);
    if (onStep)
      onStep(step);
    return logits;
  }

  /// The hash that a context of these tokens has, computed without any cache.
  static uint64_t hashOf(std::span<const int32_t> tokens) {
    uint64_t hash = 1;
    for (size_t i = 0; i < tokens.size(); ++i)
      hash = mix(hash, tokens[i], static_cast<int32_t>(i));
    return hash;
  }

  /// Logits from a hash; replaceable by tests that need particular ones.
  std::function<void(uint64_t hash, std::span<float> logits)> answer = [](uint64_t hash, std::span<float> logits) {
    for (float &logit : logits) {
      hash = hash * 6364136223846793005u + 1442695040888963407u;
      logit = static_cast<float>(hash >> 40) * 0x1p-20f - 8;
    }
  };
  std::function<void(const Step &)> onStep;
  int64_t steps = 0;
  int32_t maxTokensSeen = 0, maxSeqsSeen = 0;

private:
  struct Slot {
    int32_t token, position;
  };

  static uint64_t mix(uint64_t hash, int32_t token, int32_t position) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0x9E3779B97F4A7C15 + static_cast<uint32_t>(position);
    return hash ^ (hash >> 29);
  }

  std::span<float> row(int32_t i) {
    return {logits.data() + static_cast<size_t>(i) * theLimits.vocabSize, static_cast<size_t>(theLimits.vocabSize)};
  }

  size_t slotOf(const Step &step, int32_t sequence, int32_t position) const {
    int32_t block = step.blockTable[sequence * step.blockTableStride + position / theLimits.kvBlockTokens];
    EXPECT_GE(block, 0);
    EXPECT_LT(block, theLimits.numKvBlocks);
    return static_cast<size_t>(block) * theLimits.kvBlockTokens + position % theLimits.kvBlockTokens;
  }

  void write(const Step &step) {
    std::set<size_t> written;
    for (int32_t s = 0; s < step.numSeqs; ++s)
      for (int32_t i = step.queryStart[s]; i < step.queryStart[s + 1]; ++i) {
        size_t slot = slotOf(step, s, step.positions[i]);
        EXPECT_TRUE(written.insert(slot).second) << "two tokens of a step in one slot";
        slots[slot] = {step.tokens[i], step.positions[i]};
      }
  }

  uint64_t hashContext(const Step &step, int32_t sequence, int32_t length) const {
    uint64_t hash = 1;
    for (int32_t position = 0; position < length; ++position) {
      const Slot &slot = slots[slotOf(step, sequence, position)];
      hash = mix(hash, slot.token, slot.position);
    }
    return hash;
  }

  void checkShape(const Step &step) const {
    EXPECT_GT(step.numTokens, 0);
    EXPECT_LE(step.numTokens, theLimits.maxStepTokens);
    EXPECT_LE(step.numSeqs, theLimits.maxSeqs);
    EXPECT_LE(step.numLogits, theLimits.maxStepLogits);
    EXPECT_EQ(step.queryStart[0], 0);
    EXPECT_EQ(step.queryStart[step.numSeqs], step.numTokens);
    for (int32_t s = 0; s < step.numSeqs; ++s) {
      int32_t begin = step.queryStart[s], end = step.queryStart[s + 1];
      EXPECT_LT(begin, end);
      EXPECT_LE(step.contextLen[s], theLimits.maxSeqLen);
      for (int32_t i = begin; i < end; ++i)
        EXPECT_EQ(step.positions[i], step.contextLen[s] - (end - i));
    }
    EXPECT_TRUE(std::is_sorted(step.logitRows, step.logitRows + step.numLogits, std::less_equal<>()) ||
                step.numLogits < 2);
    EXPECT_TRUE(step.numLogits == 0 || step.logitRows[step.numLogits - 1] < step.numTokens);
  }

  ExecutorLimits theLimits;
  std::vector<Slot> slots;
  std::vector<float> logits;
};

} // namespace sinter::rt
