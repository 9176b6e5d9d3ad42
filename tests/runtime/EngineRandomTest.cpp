// SPDX-License-Identifier: Apache-2.0
// Random schedules: arrivals, lengths, shared prefixes, cancels, tiny pools and budgets, with one step in flight and
// with two. After every step all invariants hold; at the end no block is lost and every request has the tokens it has
// alone.
#include "FakeExecutor.h"
#include "runtime/engine/Engine.h"
#include <map>
#include <random>

namespace sinter::rt {
namespace {

struct Setting {
  int32_t blockTokens, numBlocks, stepTokens, maxSeqs, stepLogits;
  bool sharePrefixes;
  uint32_t seed;
};

constexpr int32_t kSteps = 1500;

std::ostream &operator<<(std::ostream &out, const Setting &setting) {
  return out << setting.numBlocks << " blocks of " << setting.blockTokens << ", steps of " << setting.stepTokens
             << " tokens, " << setting.maxSeqs << " sequences, " << setting.stepLogits << " logits, seed "
             << setting.seed;
}

class RandomSchedule : public testing::TestWithParam<std::tuple<Setting, int32_t>> {
protected:
  static constexpr int32_t kVocab = 40, kMaxSeqLen = 60;

  const Setting &setting = std::get<0>(GetParam());
  const int32_t depth = std::get<1>(GetParam());

  ExecutorLimits limits() const {
    return {.vocabSize = kVocab,
            .maxSeqLen = kMaxSeqLen,
            .maxStepTokens = setting.stepTokens,
            .maxSeqs = setting.maxSeqs,
            .maxStepLogits = setting.stepLogits,
            .kvBlockTokens = setting.blockTokens,
            .numKvBlocks = setting.numBlocks};
  }

  /// One of few beginnings, so that prefixes meet, then anything; sometimes exactly a beginning.
  std::vector<int32_t> randomPrompt(int32_t maxLength) {
    std::vector<int32_t> prompt(random() % 20, static_cast<int32_t>(random() % 3));
    for (size_t i = 0, extra = random() % 3 == 0 ? 0 : random() % 15; i < extra; ++i)
      prompt.push_back(static_cast<int32_t>(random() % kVocab));
    prompt.push_back(1);
    prompt.resize(std::min<size_t>(prompt.size(), maxLength - 1));
    return prompt;
  }

  /// Every eighth draws at random; the rest are greedy, some with a penalty, which has a history to keep.
  Request randomRequest(int32_t maxLength) {
    Request request;
    request.prompt = randomPrompt(maxLength);
    request.maxTokens = static_cast<int32_t>(random() % 30);
    request.ignoreEos = random() % 2 == 0;
    if (random() % 8 == 0) {
      request.sampling.temperature = 0.8f;
      request.sampling.seed = random();
    } else if (random() % 8 == 0) {
      request.sampling.frequencyPenalty = 1.5f;
    } else if (random() % 16 == 0) {
      request.sampling.logitBias = {{3, 2.0f}};
      request.sampling.logprobs = 2;
    }
    if (random() % 10 == 0)
      request.maxChunk = 1 + static_cast<int32_t>(random() % 3);
    return request;
  }

  static Request copyOf(const Request &from) {
    Request request;
    request.prompt = from.prompt;
    request.maxTokens = from.maxTokens;
    request.ignoreEos = from.ignoreEos;
    request.sampling = from.sampling;
    return request;
  }

  /// The tokens of a request alone, on a pool where nothing is ever short.
  std::vector<int32_t> alone(const Request &request, int32_t maxLength) {
    FakeExecutor model({.vocabSize = kVocab,
                        .maxSeqLen = maxLength,
                        .maxStepTokens = 64,
                        .maxSeqs = 1,
                        .maxStepLogits = 1,
                        .kvBlockTokens = 8,
                        .numKvBlocks = 64});
    Engine engine(model, {.eosTokens = {0}});
    std::vector<int32_t> tokens;
    Request copy = copyOf(request);
    copy.onFinish = [&](const Completion &done) { tokens = done.tokens; };
    EXPECT_TRUE(engine.submit(std::move(copy)));
    engine.runUntilIdle();
    return tokens;
  }

  std::mt19937 random{setting.seed};
};

TEST_P(RandomSchedule, KeepsEveryInvariantAndEveryAnswer) {
  FakeExecutor model(limits(), depth);
  Engine engine(model, {.eosTokens = {0}, .sharePrefixes = setting.sharePrefixes});
  struct Sent {
    Request request; // without callbacks
    Completion done;
    int32_t nextPosition = 0;
  };
  std::map<RequestId, Sent> sent;
  auto submitOne = [&] {
    Request request = randomRequest(engine.maxLength());
    RequestId id = sent.size() + 1;
    sent[id] = {copyOf(request), {}};
    request.onFinish = [&sent, id](const Completion &done) { sent[id].done = done; };
    if (random() % 12 == 0) {
      sent[id].nextPosition = request.logitsFrom = static_cast<int32_t>(random() % request.prompt.size());
      request.onLogits = [&sent, id](int32_t position, std::span<const float>) {
        EXPECT_EQ(position, sent[id].nextPosition++) << "every position once, preempted or not";
      };
    }
    ASSERT_EQ(engine.submit(std::move(request)).value_or(0), id);
  };
  for (int32_t step = 0; step < kSteps || !engine.idle(); ++step) {
    ASSERT_LT(step, 50000) << "some request never ends";
    for (size_t arrivals = step < kSteps && random() % 4 == 0 ? random() % 4 : 0; arrivals > 0; --arrivals)
      submitOne();
    if (random() % 40 == 0 && !sent.empty())
      engine.cancel(1 + random() % sent.size());
    engine.step();
    auto intact = engine.checkIntegrity();
    ASSERT_TRUE(intact) << intact.error().message << " after step " << step;
  }
  EngineStats stats = engine.stats();
  EXPECT_EQ(stats.blocksUsed, 0);
  EXPECT_EQ(stats.blocksFree + stats.blocksCached, setting.numBlocks);
  EXPECT_EQ(stats.prefixHitTokens > 0, setting.sharePrefixes);
  EXPECT_GE(model.maxStarted, depth);
  if (setting.numBlocks * setting.blockTokens < kMaxSeqLen * 2 &&
      std::min({setting.maxSeqs, setting.stepTokens, setting.stepLogits}) > 2) {
    EXPECT_GT(stats.preemptions, 10) << "a pool this small has to preempt";
  }
  for (auto &[id, one] : sent) {
    std::vector<int32_t> expected = alone(one.request, engine.maxLength());
    if (one.done.reason == FinishReason::Cancelled)
      expected.resize(std::min(expected.size(), one.done.tokens.size()));
    ASSERT_NE(one.done.reason, FinishReason::None);
    ASSERT_EQ(one.done.tokens, expected) << "request " << id;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Engine, RandomSchedule,
    testing::Combine(testing::Values(Setting{4, 15, 16, 8, 8, true, 1}, Setting{4, 15, 16, 8, 8, false, 2},
                                     Setting{1, 60, 7, 5, 5, true, 3}, Setting{3, 12, 64, 16, 16, true, 4},
                                     Setting{16, 4, 32, 4, 4, true, 5}, Setting{8, 200, 64, 32, 32, true, 6},
                                     Setting{4, 20, 1, 4, 4, true, 7}, Setting{4, 20, 12, 6, 2, true, 8},
                                     Setting{2, 30, 3, 3, 3, true, 9}, Setting{5, 13, 40, 12, 1, true, 10},
                                     Setting{4, 15, 16, 8, 8, true, 11}, Setting{2, 24, 33, 9, 12, true, 12}),
                     testing::Values(1, 2)));

} // namespace
} // namespace sinter::rt
