// SPDX-License-Identifier: Apache-2.0
// The flat buffer of a step, read back through the pointers that kernels get.
#include "runtime/device/cuda/CudaStepLayout.h"
#include <gmock/gmock.h>

using namespace sinter::rt;
using testing::ElementsAre;

namespace {

std::vector<int> read(const int *from, size_t count) { return {from, from + count}; }

TEST(CudaStepLayout, HoldsAStepAndItsPadding) {
  // Three tokens of a sequence with two before, then one of a new sequence; blocks of 4 tokens.
  const int32_t tokens[] = {11, 12, -1, 21}, positions[] = {2, 3, 4, 0}, queryStart[] = {0, 3, 4};
  const int32_t contextLen[] = {5, 1}, table[] = {7, 3, -1, 9, -1, -1}, logitRows[] = {2, 3};
  Step step{.numTokens = 4,
            .numSeqs = 2,
            .numLogits = 2,
            .tokens = tokens,
            .positions = positions,
            .queryStart = queryStart,
            .contextLen = contextLen,
            .blockTable = table,
            .blockTableStride = 3,
            .logitRows = logitRows};
  CudaStepLayout layout({.tokens = 6, .sequences = 4, .logits = 3, .tableStride = 8});
  alignas(256) std::byte buffer[2048] = {};
  ASSERT_LE(layout.bytes(), sizeof buffer);
  uint64_t used = layout.write(buffer, step, 4);
  auto base = reinterpret_cast<CudaAddress>(buffer);
  CudaStep body = layout.body(base, {.history = 1, .bias = 2, .sampled = 3, .published = 4});
  CudaStep head = layout.head(base, {.history = 1, .bias = 2, .sampled = 3, .published = 4});
  EXPECT_THAT(read(body.counts, 3), ElementsAre(4, 2, 2));
  EXPECT_THAT(read(head.counts, 3), ElementsAre(2, 2, 2)) << "rows of a head are those of the logits";
  EXPECT_THAT(read(body.tokens, 6), ElementsAre(11, 12, -1, 21, 0, 0));
  EXPECT_THAT(read(body.positions, 6), ElementsAre(2, 3, 4, 0, 0, 0));
  EXPECT_THAT(read(body.slots, 6), ElementsAre(7 * 4 + 2, 7 * 4 + 3, 3 * 4, 9 * 4, -1, -1));
  EXPECT_THAT(read(body.queryStart, 5), ElementsAre(0, 3, 4, 4, 4));
  EXPECT_THAT(read(body.contextLengths, 4), ElementsAre(5, 1, 0, 0));
  EXPECT_THAT(read(body.logitRows, 3), ElementsAre(2, 3, 0));
  EXPECT_EQ(body.blockTableStride, 8);
  EXPECT_THAT(read(body.blockTable, 2), ElementsAre(7, 3));
  EXPECT_EQ(body.blockTable[8], 9);
  EXPECT_EQ(head.blockTable, nullptr) << "of a head";
  EXPECT_EQ(head.logitRows, body.logitRows);
  EXPECT_EQ(used, reinterpret_cast<CudaAddress>(body.blockTable + 9) - base) << "ends with the last block";
  EXPECT_EQ(reinterpret_cast<CudaAddress>(body.sampled), 3u);
  EXPECT_EQ(reinterpret_cast<CudaAddress>(head.published), 4u);
  EXPECT_EQ(static_cast<const void *>(layout.samplings(buffer)), body.sampling);
  EXPECT_LE(reinterpret_cast<const std::byte *>(body.sampling + 3),
            reinterpret_cast<const std::byte *>(body.blockTable));
}

TEST(CudaStepLayout, HeadsLieAtTheSamePlaceUnderAnyBody) {
  CudaStepLayout none({.tokens = 0, .sequences = 0, .logits = 5, .tableStride = 8});
  CudaStepLayout large({.tokens = 100, .sequences = 9, .logits = 5, .tableStride = 8});
  CudaStep one = none.head(4096, {}), other = large.head(4096, {});
  EXPECT_EQ(one.counts, other.counts);
  EXPECT_EQ(one.logitRows, other.logitRows);
  EXPECT_EQ(one.sampling, other.sampling);
}

TEST(CudaStepLayout, OneSequenceIsSmall) {
  EXPECT_LT(CudaStepLayout({.tokens = 1, .sequences = 1, .logits = 1, .tableStride = 16}).bytes(), 320u);
}

TEST(CudaSampling, SaysHowARowIsChosen) {
  CudaSamplingLists lists;
  EXPECT_EQ(cudaSampling({}, lists).temperature, -1) << "no token is wanted";
  SamplingParams params{.temperature = 0.7f, .topK = 40, .topP = 0.9f, .minP = 0.05f, .repetitionPenalty = 1.25f};
  TokenHistory history;
  const int32_t prompt[] = {8, 2};
  history.addPrompt(prompt);
  history.addOutput(8);
  CudaSampling one = cudaSampling({&params, &history, 0x1122334455667788, 0x1'0000'0005}, lists);
  EXPECT_EQ(one.temperature, 0.7f);
  EXPECT_EQ(one.topP, 0.9f);
  EXPECT_EQ(one.minP, 0.05f);
  EXPECT_EQ(one.topK, 40);
  EXPECT_EQ(one.repetition, 1.25f);
  EXPECT_EQ(one.frequency, 0);
  EXPECT_EQ(one.seed[0], 0x55667788u);
  EXPECT_EQ(one.seed[1], 0x11223344u);
  EXPECT_EQ(one.index, 5u);
  EXPECT_EQ(one.historyEnd - one.historyBegin, 2);
  EXPECT_EQ(lists.history[1].token, 8);
  EXPECT_EQ(lists.history[1].count, 1);
  SamplingParams greedy{.temperature = 1e-6f};
  CudaSampling two = cudaSampling({&greedy, &history, 0, 0}, lists);
  EXPECT_EQ(two.temperature, 0);
  EXPECT_EQ(two.historyBegin, 2);
  EXPECT_EQ(two.historyEnd, 2) << "read only when a penalty is on";
}

} // namespace
