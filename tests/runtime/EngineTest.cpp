// SPDX-License-Identifier: Apache-2.0
// The engine on a fake model: limits, cancels, callbacks, what it reports. Text is in EngineTextTest.cpp,
// random schedules in EngineRandomTest.cpp.
#include "EngineFixture.h"
#include <cmath>

namespace sinter::rt {
namespace {

/// A decoder that makes nothing of anything.
struct Mute : StreamDecoder {
  std::string push(int32_t) override { return ""; }
  std::string flush() override { return ""; }
};

TEST(Engine, AnswersAsTheModelAlone) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  Completion done = run(engine, requestOf({1, 2, 3, 4, 5}, 20));
  EXPECT_EQ(done.tokens, expectedTokens(model, {1, 2, 3, 4, 5}, 20));
  EXPECT_EQ(done.reason, FinishReason::Length);
  EXPECT_EQ(done.promptTokens, 5);
  EXPECT_EQ(model.steps, 20);
  EXPECT_TRUE(engine.idle());
  EXPECT_FALSE(engine.step());
}

TEST(Engine, PrefixHitsSkipWorkAndChangeNothing) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  std::vector<int32_t> prompt(20, 7);
  EXPECT_EQ(run(engine, requestOf(prompt)).cachedTokens, 0);
  Completion again = run(engine, requestOf(prompt));
  EXPECT_EQ(again.cachedTokens, 16);
  EXPECT_EQ(again.tokens, expectedTokens(model, prompt, 8));
  EXPECT_EQ(engine.stats().prefixHitTokens, 16);
}

TEST(Engine, RefusesWhatCannotRun) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  auto message = [&](Request request) {
    auto id = engine.submit(std::move(request));
    return id ? "" : id.error().message;
  };
  EXPECT_EQ(message(requestOf({})), "the prompt is empty, expected at least one token");
  EXPECT_EQ(message(requestOf({1, 50})), "token 1 of the prompt is 50, expected 0 to 49");
  EXPECT_EQ(message(requestOf({1}, -1)), "max-tokens is -1, expected 0 or more");
  EXPECT_EQ(message(requestOf(std::vector<int32_t>(64, 1))),
            "the prompt has 64 tokens, prompt and output together can be 64: sequences are limited to 64, the KV cache "
            "to 64 blocks of 4");
  EXPECT_EQ(message(requestOf(std::vector<int32_t>(64, 1), 0)), "") << "nothing is generated";
  Request stop = requestOf({1});
  stop.stopStrings = {"x"};
  EXPECT_EQ(message(std::move(stop)), "stop strings need a tokenizer, and this model has none");
  Request empty = requestOf({1});
  empty.stopStrings = {""};
  empty.decoder = std::make_unique<Mute>();
  EXPECT_EQ(message(std::move(empty)), "a stop string is empty");
  Request hot = requestOf({1});
  hot.sampling.temperature = -1;
  EXPECT_EQ(message(std::move(hot)), "temperature is -1, expected 0 or more");

  ExecutorLimits small = kLimits;
  small.numKvBlocks = 3;
  FakeExecutor smallModel(small);
  Engine smallEngine(smallModel);
  auto id = smallEngine.submit(requestOf(std::vector<int32_t>(12, 1)));
  ASSERT_FALSE(id);
  EXPECT_EQ(smallEngine.maxLength(), 12);
}

TEST(Engine, EndsAtTheLongestSequence) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  Completion done = run(engine, requestOf(std::vector<int32_t>(60, 3), 100));
  EXPECT_EQ(done.tokens.size(), 4u);
  EXPECT_EQ(done.reason, FinishReason::Length);
}

TEST(Engine, BadLogitsEndTheRequestAndNoOther) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  uint64_t bad = FakeExecutor::hashOf(std::vector<int32_t>{1, 2});
  auto good = model.answer;
  model.answer = [=](uint64_t hash, std::span<float> logits) {
    good(hash, logits);
    if (hash == bad)
      logits[33] = NAN;
  };
  auto first = submit(engine, requestOf({1, 2}));
  auto second = submit(engine, requestOf({1, 3}));
  engine.runUntilIdle();
  EXPECT_EQ(first->reason, FinishReason::Error);
  EXPECT_EQ(first->error, "the model's logits are not finite: token 33 has nan");
  EXPECT_EQ(second->tokens, expectedTokens(model, {1, 3}, 8));
  EXPECT_EQ(engine.stats().blocksUsed, 0);
}

TEST(Engine, CancelFromOutsideAndFromCallbacks) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  auto waiting = submit(engine, requestOf({1}));
  EXPECT_TRUE(engine.cancel(1));
  EXPECT_EQ(waiting->reason, FinishReason::Cancelled) << "at once";
  EXPECT_FALSE(engine.cancel(1));

  RequestId self = 2, other = 3;
  Request request = requestOf({2}, 10);
  request.onToken = [&](const TokenEvent &event) {
    if (event.index != 2)
      return;
    EXPECT_TRUE(engine.cancel(other));
    EXPECT_TRUE(engine.cancel(self));
    EXPECT_TRUE(engine.cancel(self)) << "twice is no harm";
  };
  auto first = submit(engine, std::move(request));
  auto second = submit(engine, requestOf({3}, 10));
  engine.runUntilIdle();
  EXPECT_EQ(first->reason, FinishReason::Cancelled);
  EXPECT_EQ(first->tokens.size(), 3u);
  EXPECT_EQ(second->reason, FinishReason::Cancelled);
  EXPECT_EQ(second->tokens.size(), 2u);
  EXPECT_EQ(engine.stats().finished[static_cast<size_t>(FinishReason::Cancelled)], 3);
  EXPECT_TRUE(engine.checkIntegrity());
}

TEST(Engine, CallbacksMaySubmit) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  std::shared_ptr<Completion> next;
  Request request = requestOf({1}, 3);
  request.onToken = [&](const TokenEvent &event) {
    if (event.index == 0)
      next = submit(engine, requestOf({2}, 3));
  };
  ASSERT_TRUE(engine.submit(std::move(request)));
  engine.runUntilIdle();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->tokens, expectedTokens(model, {2}, 3));
}

TEST(Engine, LogitsOfEveryPosition) {
  for (int32_t chunk : {0, 1}) {
    FakeExecutor model(kLimits);
    Engine engine(model);
    std::vector<int32_t> prompt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    run(engine, requestOf(prompt)); // its cached prefix must not swallow positions
    int64_t before = model.steps;
    Request request = requestOf(prompt, 3);
    request.maxChunk = chunk;
    int32_t next = 0;
    std::vector<int32_t> sequence = prompt;
    std::ranges::copy(expectedTokens(model, prompt, 3), std::back_inserter(sequence));
    request.onLogits = [&](int32_t position, std::span<const float> logits) {
      EXPECT_EQ(position, next++);
      std::vector<float> expected(logits.size());
      model.answer(FakeExecutor::hashOf({sequence.begin(), sequence.begin() + position + 1}), expected);
      EXPECT_TRUE(std::ranges::equal(logits, expected)) << "position " << position;
    };
    run(engine, std::move(request));
    EXPECT_EQ(next, 13);
    EXPECT_EQ(model.steps - before, chunk == 1 ? 13 : 5);
  }
}

TEST(Engine, LogitsFromAPositionOnAfterOneChunk) {
  ExecutorLimits limits = kLimits;
  limits.maxStepLogits = 2;
  FakeExecutor model(limits);
  Engine engine(model);
  std::vector<int32_t> prompt = {7, 1, 2, 3, 5, 6, 8, 9, 4, 3};
  for (int32_t chunk : {0, 1}) {
    int64_t before = model.steps;
    Request request = requestOf(prompt, 0);
    request.logitsFrom = 5;
    request.maxChunk = chunk;
    request.chunkFrom = 6;
    int32_t next = 5;
    request.onLogits = [&](int32_t position, std::span<const float> logits) {
      EXPECT_EQ(position, next++);
      std::vector<float> expected(logits.size());
      model.answer(FakeExecutor::hashOf({prompt.begin(), prompt.begin() + position + 1}), expected);
      EXPECT_TRUE(std::ranges::equal(logits, expected)) << "position " << position;
    };
    run(engine, std::move(request));
    EXPECT_EQ(next, 10);
    EXPECT_EQ(model.steps - before, chunk == 1 ? 5 : 3); // two rows of logits a step
  }
  Request request = requestOf(prompt, 0);
  request.logitsFrom = 10;
  EXPECT_EQ(engine.submit(std::move(request)).error().message,
            "logits are wanted from position 10, the prompt has 10 tokens");
}

TEST(Engine, DrawsDependOnTheSeedAlone) {
  auto request = [] {
    Request request = requestOf({4, 5, 6}, 20);
    request.sampling.temperature = 1;
    request.sampling.seed = 77;
    return request;
  };
  FakeExecutor model(kLimits), crowded(kLimits);
  Engine alone(model), busy(crowded);
  Completion expected = run(alone, request());
  for (int32_t i = 0; i < 6; ++i)
    submit(busy, requestOf({i, i}, 5 + i));
  auto among = submit(busy, request());
  busy.runUntilIdle();
  EXPECT_EQ(among->tokens, expected.tokens);
  Request other = request();
  other.sampling.seed = 78;
  EXPECT_NE(run(alone, std::move(other)).tokens, expected.tokens);
}

TEST(Engine, LogprobsAndTimings) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  Request request = requestOf({4, 5, 6}, 4);
  request.sampling.logprobs = 3;
  int events = 0;
  request.onToken = [&](const TokenEvent &event) {
    ++events;
    ASSERT_NE(event.logprobs, nullptr);
    EXPECT_EQ(event.logprobs->chosen.token, event.token);
    EXPECT_EQ(event.logprobs->top[0].token, event.token) << "greedy";
  };
  Completion done = run(engine, std::move(request));
  EXPECT_EQ(events, 4);
  ASSERT_EQ(done.logprobs.size(), 4u);
  EXPECT_EQ(done.logprobs[3].top.size(), 3u);
  EXPECT_GT(done.timings.prefill, 0);
  EXPECT_GT(done.timings.decode, 0);
  EXPECT_NEAR(done.timings.queue + done.timings.prefill, done.timings.timeToFirstToken, 1e-9);
  EXPECT_NEAR(done.timings.timeToFirstToken + done.timings.decode, done.timings.total, 1e-9);
  EngineStats stats = engine.stats();
  EXPECT_EQ(stats.generatedTokens, 4);
  EXPECT_EQ(stats.computedTokens, 6);
  EXPECT_EQ(stats.steps, 4);
}

} // namespace
} // namespace sinter::rt
