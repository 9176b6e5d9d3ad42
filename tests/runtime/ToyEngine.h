// SPDX-License-Identifier: Apache-2.0
// The engine on any executor of the toy model, and the tokens that it must give.
#pragma once
#include "runtime/engine/Engine.h"
#include "tests/runtime/ToyPlan.h"
#include <gtest/gtest.h>

namespace sinter::rt::toy {

using Tokens = std::vector<int32_t>;

/// The `count` most likely tokens after `tokens`.
inline Tokens expectedOutput(Tokens tokens, int count) {
  Tokens output;
  for (int i = 0; i < count; ++i) {
    output.push_back(nextToken(tokens));
    tokens.push_back(output.back());
  }
  return output;
}

/// Prompts of 1 to 42 tokens.
inline std::vector<Tokens> prompts() {
  std::vector<Tokens> all = {{3}, {1, 2, 3, 4, 5}, {90, 80, 70}, {}, {}, {}, {}, {}};
  for (size_t i = 3; i < all.size(); ++i)
    for (size_t j = 0; j < 6 * i; ++j)
      all[i].push_back(static_cast<int32_t>((i * 31 + j * 17) % vocab));
  return all;
}

/// Answers all prompts together and expects the known tokens. `where` tells failures apart.
inline void expectKnownTokens(Engine &engine, const std::vector<Tokens> &prompts, int count,
                              const std::string &where = "") {
  std::vector<Tokens> outputs(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    Request request;
    request.prompt = prompts[i];
    request.maxTokens = count;
    request.onFinish = [&outputs, i](const Completion &done) {
      EXPECT_EQ(done.error, "");
      outputs[i] = done.tokens;
    };
    ASSERT_TRUE(engine.submit(std::move(request)));
  }
  engine.runUntilIdle();
  for (size_t i = 0; i < prompts.size(); ++i)
    EXPECT_EQ(outputs[i], expectedOutput(prompts[i], count)) << "request " << i << where;
}

} // namespace sinter::rt::toy
