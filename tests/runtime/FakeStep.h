// SPDX-License-Identifier: Apache-2.0
// A step as the fake executor keeps it until it is finished, and what must hold of steps.
#pragma once
#include "runtime/device/Executor.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace sinter::rt {

/// A step with arrays of its own: the engine's are borrowed only while a step is started.
struct FakeStep {
  struct Row {
    bool sampled = false;
    SamplingParams params;
    TokenHistory history;
    uint64_t seed = 0, index = 0;
  };

  FakeStep(const Step &from, std::span<const SampleRow> sampleRows, bool wantLogits)
      : step(from), wantLogits(wantLogits) {
    auto keep = [this](const int32_t *&array, int32_t count) {
      arrays.emplace_back(array, array + count);
      array = arrays.back().data();
    };
    arrays.reserve(6);
    keep(step.tokens, step.numTokens);
    keep(step.positions, step.numTokens);
    keep(step.queryStart, step.numSeqs + 1);
    keep(step.contextLen, step.numSeqs);
    keep(step.blockTable, step.numSeqs * step.blockTableStride);
    keep(step.logitRows, step.numLogits);
    for (const SampleRow &row : sampleRows) {
      if (row.params)
        rows.push_back(
            {true, *row.params, row.params->penalizes() ? *row.history : TokenHistory(), row.seed, row.index});
      else
        rows.emplace_back();
    }
  }

  /// Puts in the tokens that were not known when the step was started: `before` are those of the step before.
  void resolve(std::span<const int32_t> before) {
    for (int32_t &token : arrays[0])
      if (token < 0) {
        ASSERT_LT(static_cast<size_t>(~token), before.size()) << "a row of the step before";
        token = std::max(before[~token], 0);
      }
  }

  Step step;
  std::vector<std::vector<int32_t>> arrays; ///< of `step`, tokens first
  std::vector<Row> rows;
  bool wantLogits;
};

inline void checkShape(const Step &step, const ExecutorLimits &limits) {
  EXPECT_GT(step.numTokens, 0);
  EXPECT_LE(step.numTokens, limits.maxStepTokens);
  EXPECT_LE(step.numSeqs, limits.maxSeqs);
  EXPECT_LE(step.numLogits, limits.maxStepLogits);
  EXPECT_EQ(step.queryStart[0], 0);
  EXPECT_EQ(step.queryStart[step.numSeqs], step.numTokens);
  for (int32_t s = 0; s < step.numSeqs; ++s) {
    int32_t begin = step.queryStart[s], end = step.queryStart[s + 1];
    EXPECT_LT(begin, end);
    EXPECT_LE(step.contextLen[s], limits.maxSeqLen);
    for (int32_t i = begin; i < end; ++i)
      EXPECT_EQ(step.positions[i], step.contextLen[s] - (end - i));
  }
  EXPECT_TRUE(std::is_sorted(step.logitRows, step.logitRows + step.numLogits, std::less_equal<>()) ||
              step.numLogits < 2);
  EXPECT_TRUE(step.numLogits == 0 || step.logitRows[step.numLogits - 1] < step.numTokens);
}

/// `step` may write to a block that the running step uses only where it goes on with the same sequence.
inline void checkWritesApart(const Step &running, const Step &step, int32_t blockTokens) {
  std::vector<std::pair<int32_t, int32_t>> users; // of every block: the block, a sequence of `running`
  for (int32_t s = 0; s < running.numSeqs; ++s)
    for (int32_t i = 0; i * blockTokens < running.contextLen[s]; ++i)
      users.emplace_back(running.blockTable[s * running.blockTableStride + i], s);
  std::ranges::sort(users);
  for (int32_t s = 0; s < step.numSeqs; ++s) {
    const int32_t *table = step.blockTable + s * step.blockTableStride;
    int32_t start = step.positions[step.queryStart[s]];
    for (int32_t i = start / blockTokens; i * blockTokens < step.contextLen[s]; ++i)
      for (auto [block, user] : std::ranges::equal_range(users, table[i], {}, &std::pair<int32_t, int32_t>::first)) {
        EXPECT_EQ(running.contextLen[user], start) << "block " << block << " is written by another sequence";
        EXPECT_TRUE(i < running.blockTableStride &&
                    std::equal(table, table + i + 1, running.blockTable + user * running.blockTableStride))
            << "block " << block << " is written by another sequence";
      }
  }
}

} // namespace sinter::rt
