// SPDX-License-Identifier: Apache-2.0
// What stands beside the choice of a token: the history that penalties read, and the log-probabilities to report.
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

} // namespace
} // namespace sinter::rt
