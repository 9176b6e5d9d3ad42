// SPDX-License-Identifier: Apache-2.0
// What stands beside the choice of a token: the ranges of its parameters, the history that penalties read, and the
// log-probabilities to report.
#include "runtime/engine/Logprobs.h"
#include "runtime/engine/TokenHistory.h"
#include <cmath>
#include <gtest/gtest.h>

namespace sinter::rt {
namespace {

TEST(TokenHistory, EntriesAreSortedAndCountTheOutput) {
  TokenHistory history;
  history.addPrompt(std::vector<int32_t>{9, 2, 9});
  for (int32_t token : {5, 9, 5})
    history.addOutput(token);
  std::vector<std::pair<int32_t, int32_t>> entries;
  for (const TokenHistory::Entry &entry : history.entries())
    entries.emplace_back(entry.token, entry.outputCount);
  EXPECT_EQ(entries, (std::vector<std::pair<int32_t, int32_t>>{{2, 0}, {5, 2}, {9, 1}}));
}

TEST(LogprobReporter, TheChosenAndTheMostLikely) {
  LogprobReporter reporter;
  std::vector<float> logits;
  for (double p : {0.1, 0.4, 0.05, 0.25, 0.2})
    logits.push_back(static_cast<float>(std::log(p) + 3)); // any constant
  auto logprobs = reporter.report(logits, 2, 2);
  ASSERT_TRUE(logprobs);
  EXPECT_NEAR(logprobs->chosen.logprob, std::log(0.05), 1e-6);
  ASSERT_EQ(logprobs->top.size(), 2u);
  EXPECT_EQ(logprobs->top[0].token, 1);
  EXPECT_NEAR(logprobs->top[0].logprob, std::log(0.4), 1e-6);
  EXPECT_EQ(logprobs->top[1].token, 3);
  EXPECT_TRUE(reporter.report(logits, 2, 0)->top.empty());
  logits[0] = NAN;
  EXPECT_EQ(reporter.report(logits, 2, 0).error().message, "the model's logits are not finite: token 0 has nan");
}

TEST(SamplingParams, RangesAreChecked) {
  auto message = [](const SamplingParams &params) {
    auto valid = validate(params, 100);
    return valid ? "" : valid.error().message;
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({.temperature = -1}), "temperature is -1, expected 0 or more");
  EXPECT_EQ(message({.temperature = NAN}), "temperature is nan, expected 0 or more");
  EXPECT_EQ(message({.topK = -2}), "top-k is -2, expected 0 (off) or more");
  EXPECT_EQ(message({.topP = 0}), "top-p is 0, expected more than 0 and at most 1");
  EXPECT_EQ(message({.minP = 1.5f}), "min-p is 1.5, expected 0 to 1");
  EXPECT_EQ(message({.repetitionPenalty = 0}), "repetition penalty is 0, expected more than 0");
  EXPECT_EQ(message({.presencePenalty = 2.5f}), "presence penalty is 2.5, expected -2 to 2");
  EXPECT_EQ(message({.frequencyPenalty = -3}), "frequency penalty is -3, expected -2 to 2");
  EXPECT_EQ(message({.logitBias = {{100, 1}}}), "logit bias names token 100, expected 0 to 99");
  EXPECT_EQ(message({.logitBias = {{1, NAN}}}), "logit bias is nan, expected a finite number or -inf");
  EXPECT_EQ(message({.logprobs = -1}), "logprobs is -1, expected 0 to the vocabulary's 100");
}

} // namespace
} // namespace sinter::rt
