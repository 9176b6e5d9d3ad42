// SPDX-License-Identifier: Apache-2.0
// How tokens are chosen on a GPU that is played: which rows, by whom, and from which logits.
#include "CudaPrompts.h"
#include "runtime/engine/Engine.h"
#include <gmock/gmock.h>
#include <numeric>

using namespace sinter::rt;

namespace {

class CudaChoiceTest : public CudaFixture {};

TEST_F(CudaChoiceTest, WantedLogitsAreTheModelsOwn) {
  auto executor = make();
  Prompts three({2, 2, 2});
  for (bool wantLogits : {true, false}) {
    int32_t unedited = toy::nextToken({20, 21});
    {
      SamplingParams biased, penalized; // gone before the step is finished
      biased.logitBias = {{7, 100.0f}};
      penalized.presencePenalty = 2;
      penalized.logitBias = {{unedited, -7.0f}, {5, 2.5f}}; // 1 to 2.45, until the penalty
      TokenHistory seen;
      seen.addPrompt(std::vector<int32_t>{20, 21});
      seen.addOutput(5);
      three.rows[0].params = &biased;
      three.rows[2].params = &penalized;
      three.rows[2].history = &seen;
      ASSERT_TRUE(executor->start(three.step, three.rows, wantLogits));
    }
    auto result = executor->finish();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->tokens[0], 7);
    EXPECT_EQ(result->tokens[1], toy::nextToken({10, 11}));
    const CudaStep &step = launches.back().step;
    EXPECT_GE(step.sampling[1].temperature, 0);
    EXPECT_EQ(step.sampling[0].temperature < 0, wantLogits) << "chosen on the host";
    EXPECT_EQ(step.sampling[2].biasEnd, wantLogits ? 0 : 3);
    if (!wantLogits)
      continue;
    EXPECT_EQ(result->tokens[2], unedited) << "what the penalty leaves";
    ASSERT_EQ(result->logits.size(), 3u * toy::vocab);
    EXPECT_EQ(result->logits[7], -0.07f) << "without the bias";
    EXPECT_EQ(result->logits[2u * toy::vocab + static_cast<size_t>(unedited)], 8.0f);
  }
}

TEST_F(CudaChoiceTest, LogprobsOfAnEditedRowAreTheModels) {
  auto executor = make();
  Engine engine(*executor);
  Request request;
  request.prompt = {3, 4};
  request.maxTokens = 3;
  request.sampling.logitBias = {{50, 100.0f}};
  request.sampling.logprobs = 1;
  request.onToken = [](const TokenEvent &event) {
    EXPECT_EQ(event.token, 50);
    ASSERT_NE(event.logprobs, nullptr);
    EXPECT_LT(event.logprobs->chosen.logprob, -7) << "the bias makes it the most likely, the model does not";
    EXPECT_NE(event.logprobs->top.at(0).token, 50);
  };
  ASSERT_TRUE(engine.submit(std::move(request)));
  engine.runUntilIdle();
  EXPECT_EQ(engine.stats().generatedTokens, 3);
}

TEST_F(CudaChoiceTest, PenaltiesAndBiasesGoUpAndMayGrow) {
  auto executor = make();
  std::vector<CudaTokenCount> history;
  std::vector<CudaLogitBias> bias;
  gpu.kernels = [&](const FakeLaunch &launch) {
    if (launch.kernel == "sample") {
      const CudaSampling &row = launch.step.sampling[1];
      history.assign(launch.step.history + row.historyBegin, launch.step.history + row.historyEnd);
      bias.assign(launch.step.bias + row.biasBegin, launch.step.bias + row.biasEnd);
    }
    toy::runCudaKernel(launch);
  };
  std::vector<int32_t> many(100000);
  for (size_t i = 0; i < many.size(); ++i)
    many[i] = static_cast<int32_t>(i);
  for (const std::vector<int32_t> &tokens : {std::vector<int32_t>{5, 9, 5}, many}) {
    TokenHistory seen;
    seen.addPrompt(tokens);
    seen.addOutput(9);
    SamplingParams params;
    params.frequencyPenalty = 0.5f;
    params.logitBias = {{7, 1.0f}, {3, 2.0f}, {7, 0.25f}};
    Prompts two({2, 2});
    two.rows[0] = two.rows[1] = {.params = &params, .history = &seen, .seed = 1, .index = 1};
    ASSERT_TRUE(executor->start(two.step, two.rows, false));
    ASSERT_TRUE(executor->finish());
    ASSERT_EQ(history.size(), seen.entries().size());
    EXPECT_EQ(history[tokens.size() == 3 ? 1 : 9].token, 9);
    EXPECT_EQ(history[tokens.size() == 3 ? 1 : 9].count, 1);
    ASSERT_EQ(bias.size(), 2u) << "a bias for every token that has one";
    EXPECT_EQ(bias[0].token, 3);
    EXPECT_EQ(bias[1].token, 7);
    EXPECT_EQ(bias[1].bias, 1.25f);
  }
}

TEST_F(CudaChoiceTest, StepsGoOnAfterOneWhosePenaltiesFindNoMemory) {
  auto executor = make();
  std::vector<int32_t> many(100000);
  std::iota(many.begin(), many.end(), 0);
  TokenHistory few, all;
  few.addPrompt(std::vector<int32_t>{5, 9});
  all.addPrompt(many);
  SamplingParams params;
  params.presencePenalty = 0.5f;
  Prompts two({2, 2});
  auto start = [&](const TokenHistory &history) {
    two.rows[1] = {.params = &params, .history = &history, .seed = 1, .index = 1};
    return executor->start(two.step, two.rows, false);
  };
  gpu.failing = "cuMemAlloc_v2";
  auto refused = start(all);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::EndsWith(" for penalties"));
  for (const TokenHistory *history : {&few, &all}) {
    ASSERT_TRUE(start(*history));
    EXPECT_TRUE(executor->finish());
    gpu.failing.clear();
  }
}

TEST_F(CudaChoiceTest, RowsThatNobodyWantsHaveNoToken) {
  auto executor = make();
  Prompts two({2, 2});
  two.rows[0].params = nullptr;
  ASSERT_TRUE(executor->start(two.step, two.rows, false));
  auto result = executor->finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->tokens[0], -1);
  EXPECT_EQ(result->tokens[1], toy::nextToken({10, 11}));
  two.step.numLogits = 0;
  ASSERT_TRUE(executor->start(two.step, {}, true)) << "a step without a head";
  EXPECT_EQ(launches.back().kernel, "layer");
  result = executor->finish();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->tokens.empty());
}

} // namespace
