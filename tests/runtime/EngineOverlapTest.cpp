// SPDX-License-Identifier: Apache-2.0
// The engine with two steps in flight: what overlaps, what waits, what is dropped, and what happens when a step fails.
#include "EngineFixture.h"
#include <chrono>
#include <cmath>
#include <thread>

namespace sinter::rt {
namespace {

TEST(EngineOverlap, StartsTheNextStepBeforeItKnowsTheToken) {
  FakeExecutor model(kLimits, 2);
  Engine engine(model);
  int64_t known = 0;
  Request request = requestOf({1, 2, 3}, 20);
  request.onToken = [&](const TokenEvent &) {
    EXPECT_EQ(model.numStarted, std::min<int64_t>(20, known + 2));
    ++known;
  };
  EXPECT_EQ(run(engine, std::move(request)).tokens, expectedTokens(model, {1, 2, 3}, 20));
  EXPECT_EQ(model.steps, 20) << "that the last token is the last is known ahead";
}

TEST(EngineOverlap, DropsWhatComesAfterAStopToken) {
  FakeExecutor model(kLimits, 2);
  Engine engine(model);
  std::vector<int32_t> expected = expectedTokens(model, {5, 6}, 10);
  Request request = requestOf({5, 6}, 20);
  request.stopTokens = {expected[9]};
  expected.resize(std::ranges::find(expected, expected[9]) - expected.begin() + 1);
  auto done = submit(engine, std::move(request));
  while (done->reason == FinishReason::None)
    engine.step();
  EXPECT_EQ(done->tokens, expected);
  EXPECT_EQ(done->reason, FinishReason::Stop);
  EXPECT_FALSE(engine.idle()) << "a step is in flight";
  EXPECT_GT(engine.stats().blocksUsed, 0) << "and uses these blocks";
  EXPECT_EQ(engine.stats().running, 0);
  EXPECT_TRUE(engine.checkIntegrity());
  EXPECT_TRUE(engine.step());
  EXPECT_TRUE(engine.idle());
  EXPECT_EQ(engine.stats().blocksUsed, 0);
  EXPECT_EQ(engine.stats().generatedTokens, static_cast<int64_t>(expected.size()));
}

TEST(EngineOverlap, HostWorkCountsWhereNoStepIsInFlight) {
  for (int32_t depth : {1, 2}) {
    FakeExecutor model(kLimits, depth);
    Engine engine(model);
    Request request = requestOf({1, 2, 3}, 10);
    request.onToken = [](const TokenEvent &) { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
    run(engine, std::move(request));
    EngineStats stats = engine.stats();
    EXPECT_GE(depth == 1 ? stats.hostSeconds : stats.executorSeconds, 2e-3 * (depth == 1 ? 10 : 9)) << depth;
    EXPECT_GE(stats.hostSeconds, 2e-3) << "nothing is in flight behind the last token";
  }
}

TEST(EngineOverlap, WhatTheHostMustSeeIsWaitedFor) {
  Request penalized = requestOf({1, 2}, 10), biased = requestOf({1, 2}, 10), reported = requestOf({1, 2}, 10),
          watched = requestOf({1, 2}, 10);
  penalized.sampling.repetitionPenalty = 1.5f;
  biased.sampling.logitBias = {{7, 3.0f}};
  reported.sampling.logprobs = 1;
  int32_t positions = 0;
  watched.onLogits = [&](int32_t, std::span<const float> logits) { positions += !logits.empty(); };
  for (Request *request : {&penalized, &biased, &reported, &watched}) {
    FakeExecutor model(kLimits, 2);
    Engine engine(model);
    EXPECT_EQ(run(engine, std::move(*request)).tokens.size(), 10u);
    EXPECT_EQ(model.maxStarted, 1);
  }
  EXPECT_EQ(positions, 11);
}

TEST(EngineOverlap, CancelInFlightEndsAtOnceAndFreesLater) {
  FakeExecutor model(kLimits, 2);
  Engine engine(model);
  auto first = submit(engine, requestOf({1, 2, 3}, 30)), second = submit(engine, requestOf({4, 5, 6}, 30));
  for (int i = 0; i < 5; ++i)
    engine.step();
  EXPECT_TRUE(engine.cancel(1));
  EXPECT_FALSE(engine.cancel(1));
  EXPECT_EQ(first->reason, FinishReason::Cancelled);
  EXPECT_EQ(first->tokens.size(), 5u);
  EXPECT_EQ(engine.stats().blocksUsed, 4) << "of 3 + 5 tokens each";
  EXPECT_TRUE(engine.checkIntegrity());
  engine.step();
  EXPECT_EQ(engine.stats().blocksUsed, 3);
  engine.runUntilIdle();
  EXPECT_EQ(second->tokens, expectedTokens(model, {4, 5, 6}, 30));
}

TEST(EngineOverlap, PrefixesAreSharedWithTheStepInFlight) {
  FakeExecutor model(kLimits, 2);
  Engine engine(model);
  std::vector<int32_t> prompt(16, 3);
  auto first = submit(engine, requestOf(prompt)), second = submit(engine, requestOf(prompt));
  engine.runUntilIdle();
  EXPECT_EQ(second->cachedTokens, 12) << "the first step has no room for it";
  EXPECT_EQ(first->tokens, expectedTokens(model, prompt, 8));
  EXPECT_EQ(second->tokens, first->tokens);
}

TEST(EngineOverlap, ALostDeviceEndsEveryRequest) {
  for (bool start : {false, true})
    for (int32_t depth : {1, 2}) {
      FakeExecutor model(kLimits, depth);
      (start ? model.failingStart : model.failingFinish) = 4;
      Engine engine(model);
      std::shared_ptr<Completion> next;
      Request request = requestOf(std::vector<int32_t>(9, 2), 30);
      std::shared_ptr<Completion> first = std::make_shared<Completion>(), second = submit(engine, requestOf({1}, 30));
      request.onFinish = [&](const Completion &done) {
        *first = done;
        next = submit(engine, requestOf(std::vector<int32_t>(9, 2), 3));
      };
      ASSERT_TRUE(engine.submit(std::move(request)));
      engine.runUntilIdle();
      for (auto &done : {first, second}) {
        EXPECT_EQ(done->reason, FinishReason::Error);
        EXPECT_EQ(done->error, start ? "the device does not start" : "the device is lost");
      }
      ASSERT_TRUE(next);
      EXPECT_EQ(next->cachedTokens, 0) << "what the cache holds cannot be trusted";
      EXPECT_EQ(next->tokens, expectedTokens(model, std::vector<int32_t>(9, 2), 3));
      EXPECT_EQ(engine.stats().blocksUsed, 0);
    }
}

TEST(EngineOverlap, BadLogitsEndTheRequestAndNoOther) {
  FakeExecutor model(kLimits, 2);
  Engine engine(model);
  uint64_t bad = FakeExecutor::hashOf(std::vector<int32_t>{1, 2});
  model.answer = [bad, good = model.answer](uint64_t hash, std::span<float> logits) {
    good(hash, logits);
    if (hash == bad)
      logits[33] = NAN;
  };
  auto first = submit(engine, requestOf({1, 2})), second = submit(engine, requestOf({1, 3}));
  engine.runUntilIdle();
  EXPECT_EQ(first->error, "no token can be chosen: the model's logits are not finite");
  EXPECT_EQ(second->tokens, expectedTokens(model, {1, 3}, 8));
}

TEST(EngineOverlap, AnEngineFinishesWhatItHasStarted) {
  FakeExecutor model(kLimits, 2);
  {
    Engine engine(model);
    submit(engine, requestOf({1, 2}));
    engine.step();
    EXPECT_LT(model.steps, model.numStarted);
  }
  EXPECT_EQ(model.steps, model.numStarted);
}

} // namespace
} // namespace sinter::rt
