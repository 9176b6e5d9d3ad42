// SPDX-License-Identifier: Apache-2.0
// A model for testing the engine whose answers depend on every slot of its KV cache: it writes tokens and positions
// through the block tables, as a kernel writes keys and values, and makes logits from a hash of the context that it
// reads back. A wrong block, a stale slot, a token that was not recomputed: each changes the output. A step is computed
// when it is finished, as late as a device may.
#pragma once
#include "FakeStep.h"
#include "runtime/engine/Sampler.h"
#include <cmath>
#include <deque>
#include <functional>

namespace sinter::rt {

class FakeExecutor : public Executor {
public:
  explicit FakeExecutor(const ExecutorLimits &limits, int32_t depth = 1)
      : theLimits(limits), theDepth(depth),
        slots(static_cast<size_t>(limits.numKvBlocks) * limits.kvBlockTokens, Slot{-1, -1}) {}
  ~FakeExecutor() override { EXPECT_TRUE(started.empty()) << "every step that is started is finished"; }

  const ExecutorLimits &limits() const override { return theLimits; }
  int32_t depth() const override { return theDepth; }

  Result<void> start(const Step &step, std::span<const SampleRow> rows, bool wantLogits) override {
    EXPECT_LT(started.size(), static_cast<size_t>(theDepth));
    if (numStarted++ == failingStart)
      return fail("the device does not start");
    checkShape(step, theLimits);
    for (const FakeStep &running : started)
      checkWritesApart(running.step, step, theLimits.kvBlockTokens);
    EXPECT_EQ(rows.size(), static_cast<size_t>(step.numLogits));
    started.emplace_back(step, rows, wantLogits);
    maxStarted = std::max(maxStarted, static_cast<int32_t>(started.size()));
    return {};
  }

  Result<StepResult> finish() override {
    EXPECT_FALSE(started.empty());
    FakeStep step = std::move(started.front());
    started.pop_front();
    if (steps++ == failingFinish)
      return fail("the device is lost");
    step.resolve(tokens);
    compute(step.step);
    tokens.assign(step.rows.size(), -1);
    for (size_t i = 0; i < tokens.size(); ++i)
      if (const FakeStep::Row &wanted = step.rows[i]; wanted.sampled)
        tokens[i] = sampler.sample({row(i), wanted.params, wanted.history, wanted.seed, wanted.index}).value_or(-1);
    bool give = step.wantLogits || theDepth == 1;
    return StepResult{tokens, give ? std::span<const float>(logits) : std::span<const float>()};
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
  int64_t numStarted = 0, steps = 0;             ///< steps: finished
  int64_t failingStart = -1, failingFinish = -1; ///< which call, from 0
  int32_t maxTokensSeen = 0, maxSeqsSeen = 0, maxStarted = 0;

private:
  struct Slot {
    int32_t token, position;
  };

  static uint64_t mix(uint64_t hash, int32_t token, int32_t position) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0x9E3779B97F4A7C15 + static_cast<uint32_t>(position);
    return hash ^ (hash >> 29);
  }

  std::span<float> row(size_t i) { return std::span(logits).subspan(i * theLimits.vocabSize, theLimits.vocabSize); }

  void compute(const Step &step) {
    write(step);
    logits.resize(static_cast<size_t>(step.numLogits) * theLimits.vocabSize);
    int32_t sequence = 0;
    for (int32_t i = 0; i < step.numLogits; ++i) {
      while (step.queryStart[sequence + 1] <= step.logitRows[i])
        ++sequence;
      answer(hashContext(step, sequence, step.positions[step.logitRows[i]] + 1), row(i));
    }
    maxTokensSeen = std::max(maxTokensSeen, step.numTokens);
    maxSeqsSeen = std::max(maxSeqsSeen, step.numSeqs);
    if (onStep)
      onStep(step);
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

  ExecutorLimits theLimits;
  int32_t theDepth;
  std::vector<Slot> slots;
  std::deque<FakeStep> started;
  std::vector<int32_t> tokens; ///< of the step that was finished last
  std::vector<float> logits;
  Sampler sampler;
};

} // namespace sinter::rt
