// SPDX-License-Identifier: Apache-2.0
// What the scheduler puts into a step: order, budgets, chunks, preemption.
#include "runtime/engine/Scheduler.h"
#include "runtime/engine/Batch.h"
#include <gtest/gtest.h>
#include <memory>

namespace sinter::rt {
namespace {

/// A scheduler with sequences of invented tokens; run() is a step whose samples are all token 1.
struct Bench {
  Bench(int32_t numBlocks, SchedulerLimits limits) : blocks(numBlocks, 4), scheduler(limits, blocks) {}

  Sequence &add(int32_t promptLength, Request request = {}) {
    RequestId id = sequences.size() + 1;
    for (int32_t i = 0; i < promptLength; ++i)
      request.prompt.push_back(static_cast<int32_t>(id * 1000) + i);
    sequences.push_back(
        std::make_unique<Sequence>(id, std::move(request), blocks.numBlocks() * blocks.blockTokens(), 0));
    scheduler.add(*sequences.back());
    return *sequences.back();
  }

  /// "1:0+4 2:3+1*": id, start, count, a star for each wanted row of logits.
  std::string run() {
    std::string text;
    for (const Slice &slice : scheduler.schedule()) {
      text += (text.empty() ? "" : " ") + std::to_string(slice.sequence->id) + ":" + std::to_string(slice.start) + "+" +
              std::to_string(slice.count) + std::string(slice.logits, '*');
      scheduler.advance(slice);
      scheduler.land(slice);
      if (slice.sequence->remaining() == 0)
        slice.sequence->append(1, nullptr, FinishReason::None);
    }
    auto intact = scheduler.checkIntegrity();
    EXPECT_TRUE(intact) << intact.error().message;
    return text;
  }

  BlockManager blocks;
  Scheduler scheduler;
  std::vector<std::unique_ptr<Sequence>> sequences;
};

TEST(Scheduler, DecodesComeBeforePrefills) {
  Bench bench(64, {.maxStepTokens = 8, .maxSeqs = 4, .maxStepLogits = 4});
  bench.add(3);
  EXPECT_EQ(bench.run(), "1:0+3*");
  bench.add(5);
  EXPECT_EQ(bench.run(), "1:3+1* 2:0+5*");
  EXPECT_EQ(bench.run(), "1:4+1* 2:5+1*");
}

TEST(Scheduler, ChunksAPromptIntoTheTokenBudget) {
  Bench bench(64, {.maxStepTokens = 8, .maxSeqs = 4, .maxStepLogits = 4});
  bench.add(2);
  bench.add(15);
  bench.add(3);
  EXPECT_EQ(bench.run(), "1:0+2* 2:0+6");
  EXPECT_EQ(bench.run(), "1:2+1* 2:6+7");
  EXPECT_EQ(bench.run(), "1:3+1* 2:13+2* 3:0+3*");
}

TEST(Scheduler, NoMoreThanMaxSeqsRun) {
  Bench bench(64, {.maxStepTokens = 64, .maxSeqs = 2, .maxStepLogits = 8});
  Sequence &first = bench.add(2);
  bench.add(2);
  bench.add(2);
  EXPECT_EQ(bench.run(), "1:0+2* 2:0+2*");
  EXPECT_EQ(bench.run(), "1:2+1* 2:2+1*");
  bench.scheduler.remove(first);
  EXPECT_EQ(bench.run(), "2:3+1* 3:0+2*");
  EXPECT_EQ(bench.scheduler.numWaiting(), 0);
}

TEST(Scheduler, FewRowsOfLogitsLimitWhatRuns) {
  Bench bench(64, {.maxStepTokens = 64, .maxSeqs = 8, .maxStepLogits = 1});
  bench.add(2);
  bench.add(2);
  EXPECT_EQ(bench.run(), "1:0+2*");
  EXPECT_EQ(bench.run(), "1:2+1*");
}

TEST(Scheduler, NobodyOvertakesInTheQueue) {
  Bench bench(6, {.maxStepTokens = 64, .maxSeqs = 8, .maxStepLogits = 8});
  Sequence &first = bench.add(12);
  bench.add(16); // 4 blocks, 3 are left
  bench.add(1);
  EXPECT_EQ(bench.run(), "1:0+12*");
  EXPECT_EQ(bench.run(), "1:12+1*");
  EXPECT_EQ(bench.scheduler.numWaiting(), 2) << "the third would fit, the second is first";
  bench.scheduler.remove(first);
  EXPECT_EQ(bench.run(), "2:0+16* 3:0+1*");
}

TEST(Scheduler, PreemptsTheYoungestAndComputesItAgain) {
  Bench bench(4, {.maxStepTokens = 64, .maxSeqs = 8, .maxStepLogits = 8});
  Sequence &first = bench.add(3);
  Sequence &second = bench.add(6);
  EXPECT_EQ(bench.run(), "1:0+3* 2:0+6*");
  EXPECT_EQ(bench.run(), "1:3+1* 2:6+1*");
  EXPECT_EQ(bench.run(), "1:4+1* 2:7+1*"); // all 4 blocks are full now
  EXPECT_EQ(bench.run(), "1:5+1*");        // the second needs a fifth
  EXPECT_EQ(second.state, SequenceState::Preempted);
  EXPECT_EQ(bench.scheduler.numPreemptions(), 1);
  EXPECT_EQ(bench.run(), "1:6+1*");
  bench.scheduler.remove(first);
  EXPECT_EQ(bench.run(), "2:8+1*") << "its full blocks were still cached";
  EXPECT_EQ(bench.scheduler.prefixHitTokens(), 8);
  EXPECT_EQ(second.completion.cachedTokens, 0) << "what counts is the first time";
}

TEST(Scheduler, TheOldestTakesWhatItNeeds) {
  Bench bench(4, {.maxStepTokens = 64, .maxSeqs = 8, .maxStepLogits = 8});
  bench.add(4);
  bench.add(2);
  EXPECT_EQ(bench.run(), "1:0+4* 2:0+2*");
  for (int i = 0; i < 4; ++i)
    bench.run();
  EXPECT_EQ(bench.run(), "1:8+1*");
  EXPECT_EQ(bench.sequences[1]->state, SequenceState::Preempted);
  for (int length = 10; length <= 15; ++length)
    EXPECT_EQ(bench.run(), "1:" + std::to_string(length - 1) + "+1*");
  EXPECT_EQ(bench.blocks.numUsed(), 4);
}

TEST(Scheduler, NothingIsTakenFromAStepInFlight) {
  Bench bench(4, {.maxStepTokens = 64, .maxSeqs = 8, .maxStepLogits = 8});
  Sequence &first = bench.add(3);
  Sequence &second = bench.add(6);
  EXPECT_EQ(bench.run(), "1:0+3* 2:0+6*");
  EXPECT_EQ(bench.run(), "1:3+1* 2:6+1*");
  std::vector<Slice> inFlight = bench.scheduler.schedule();
  for (const Slice &slice : inFlight)
    bench.scheduler.advance(slice);
  EXPECT_TRUE(bench.scheduler.schedule(true).empty()) << "the second needs a block, and may not be preempted";
  bench.scheduler.remove(first);
  first.state = SequenceState::Finished;
  EXPECT_EQ(bench.blocks.numUsed(), 4);
  EXPECT_TRUE(bench.scheduler.checkIntegrity());
  for (const Slice &slice : inFlight)
    bench.scheduler.land(slice);
  EXPECT_EQ(bench.blocks.numUsed(), 2);
  second.append(1, nullptr, FinishReason::None);
  EXPECT_EQ(bench.run(), "2:8+1*");
}

TEST(Scheduler, WhatEndsForSureIsNotScheduledAgain) {
  Bench bench(16, {.maxStepTokens = 64, .maxSeqs = 8, .maxStepLogits = 8});
  Request request;
  request.maxTokens = 2;
  bench.add(6, std::move(request));
  for (int expected : {1, 1, 0}) {
    const std::vector<Slice> &slices = bench.scheduler.schedule(true);
    EXPECT_EQ(slices.size(), static_cast<size_t>(expected));
    for (const Slice &slice : slices)
      bench.scheduler.advance(slice);
  }
}

TEST(Scheduler, SharedPrefixesAreNotComputed) {
  Bench bench(64, {.maxStepTokens = 64, .maxSeqs = 8, .maxStepLogits = 8});
  Request a, b;
  a.prompt = b.prompt = {1, 2, 3, 4, 5, 6, 7, 8};
  b.prompt.push_back(9);
  bench.add(0, std::move(a));
  EXPECT_EQ(bench.run(), "1:0+8*");
  Sequence &second = bench.add(0, std::move(b));
  EXPECT_EQ(bench.run(), "1:8+1* 2:8+1*");
  EXPECT_EQ(second.completion.cachedTokens, 8);
}

TEST(Scheduler, AllLogitsAreLimitedByTheirBudget) {
  Bench bench(64, {.maxStepTokens = 64, .maxSeqs = 4, .maxStepLogits = 4});
  Request request;
  request.onLogits = [](int32_t, std::span<const float>) {};
  bench.add(10, std::move(request));
  Request slow;
  slow.maxChunk = 1;
  bench.add(2, std::move(slow));
  EXPECT_EQ(bench.run(), "1:0+4**** 2:0+1");
  bench.sequences[0]->nextLogits = 6;
  EXPECT_EQ(bench.run(), "2:1+1* 1:4+5***") << "logits that were delivered before a preemption are not made again";
}

TEST(Scheduler, APromptWithoutOutputNeedsNoLogits) {
  Bench bench(64, {.maxStepTokens = 64, .maxSeqs = 4, .maxStepLogits = 4});
  Request request;
  request.maxTokens = 0;
  bench.add(5, std::move(request));
  EXPECT_EQ(bench.run(), "1:0+5");
}

TEST(Batch, FlatArrays) {
  Bench bench(16, {.maxStepTokens = 8, .maxSeqs = 4, .maxStepLogits = 4});
  bench.add(2);
  bench.run();
  bench.add(9);
  Batch batch;
  const Step &step = batch.build(bench.scheduler.schedule(), 4);
  EXPECT_EQ(step.numTokens, 8);
  EXPECT_EQ(step.numSeqs, 2);
  auto list = [](const int32_t *values, int32_t count) { return std::vector<int32_t>(values, values + count); };
  EXPECT_EQ(list(step.tokens, 8), (std::vector<int32_t>{1, 2000, 2001, 2002, 2003, 2004, 2005, 2006}));
  EXPECT_EQ(list(step.positions, 8), (std::vector<int32_t>{2, 0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(list(step.queryStart, 3), (std::vector<int32_t>{0, 1, 8}));
  EXPECT_EQ(list(step.contextLen, 2), (std::vector<int32_t>{3, 7}));
  EXPECT_EQ(step.blockTableStride, 2);
  auto &first = bench.sequences[0]->table.blocks, &second = bench.sequences[1]->table.blocks;
  EXPECT_EQ(list(step.blockTable, 4), (std::vector<int32_t>{first[0], -1, second[0], second[1]}));
  EXPECT_EQ(list(step.logitRows, step.numLogits), (std::vector<int32_t>{0}));
}

TEST(Batch, TokensThatAreNotKnownAreRowsOfTheStepBefore) {
  Bench bench(16, {.maxStepTokens = 8, .maxSeqs = 4, .maxStepLogits = 4});
  bench.add(2);
  bench.add(3);
  bench.add(9);
  for (const Slice &slice : bench.scheduler.schedule())
    bench.scheduler.advance(slice);
  Batch batch;
  const Step &step = batch.build(bench.scheduler.schedule(true), 4);
  EXPECT_EQ(std::vector(step.tokens, step.tokens + 4), (std::vector<int32_t>{~0, ~1, 3003, 3004}));
  EXPECT_EQ(std::vector(step.positions, step.positions + 4), (std::vector<int32_t>{2, 3, 3, 4}));
}

} // namespace
} // namespace sinter::rt
