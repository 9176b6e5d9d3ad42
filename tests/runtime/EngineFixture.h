// SPDX-License-Identifier: Apache-2.0
// What tests of the engine share: small limits, short ways to run a request, the answers of the fake model alone.
#pragma once
#include "FakeExecutor.h"
#include "runtime/engine/Engine.h"
#include <memory>

namespace sinter::rt {

inline constexpr ExecutorLimits kLimits{.vocabSize = 50,
                                        .maxSeqLen = 64,
                                        .maxStepTokens = 16,
                                        .maxSeqs = 4,
                                        .maxStepLogits = 4,
                                        .kvBlockTokens = 4,
                                        .numKvBlocks = 64};

inline Request requestOf(std::vector<int32_t> prompt, int32_t maxTokens = 8) {
  Request request;
  request.prompt = std::move(prompt);
  request.maxTokens = maxTokens;
  return request;
}

/// Submits, keeps the completion when it comes.
inline std::shared_ptr<Completion> submit(Engine &engine, Request request) {
  auto completion = std::make_shared<Completion>();
  request.onFinish = [completion](const Completion &done) { *completion = done; };
  auto id = engine.submit(std::move(request));
  EXPECT_TRUE(id) << id.error().message;
  return completion;
}

inline Completion run(Engine &engine, Request request) {
  auto completion = submit(engine, std::move(request));
  engine.runUntilIdle();
  return *completion;
}

/// What the fake model says greedily, without engine or cache.
inline std::vector<int32_t> expectedTokens(const FakeExecutor &model, std::vector<int32_t> tokens, int32_t count) {
  std::vector<float> logits(model.limits().vocabSize);
  size_t prompt = tokens.size();
  for (int32_t i = 0; i < count; ++i) {
    model.answer(FakeExecutor::hashOf(tokens), logits);
    tokens.push_back(static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin()));
  }
  return {tokens.begin() + static_cast<ptrdiff_t>(prompt), tokens.end()};
}

} // namespace sinter::rt
