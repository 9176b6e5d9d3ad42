// SPDX-License-Identifier: Apache-2.0
// The CPU executor on the toy plan, alone and under the engine.
#include "runtime/device/CpuExecutor.h"
#include "runtime/support/PayloadWriter.h"
#include "tests/runtime/ToyEngine.h"
#include <cstdio>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>

using namespace sinter::rt;

namespace {

std::unique_ptr<CpuExecutor> makeToy(int threads, uint64_t kvBytes = 0) {
  static const std::vector<int32_t> words = toy::makeWeights();
  auto pool = ThreadPool::create(threads, toy::plan.scratchBytes);
  auto executor = CpuExecutor::create(toy::plan, std::move(*pool), Weights::borrow(std::as_bytes(std::span(words))),
                                      {.kvBytes = kvBytes});
  EXPECT_TRUE(executor) << executor.error().message;
  return std::move(*executor);
}

TEST(CpuExecutorTest, EngineGeneratesTheKnownTokensWithAnyTeam) {
  for (int threads : {1, 2, 4}) {
    auto executor = makeToy(threads);
    Engine engine(*executor);
    toy::expectKnownTokens(engine, toy::prompts(), 12, ", " + std::to_string(threads) + " threads");
  }
}

TEST(CpuExecutorTest, FewBlocksForceRecomputationAndChangeNothing) {
  // 10 blocks of 4 tokens for both layers: two sequences of 30 tokens cannot be resident together.
  auto executor = makeToy(2, 10 * toy::layers * toy::plan.kvBlockBytes);
  EXPECT_EQ(executor->limits().numKvBlocks, 10);
  Engine engine(*executor);
  toy::expectKnownTokens(engine, {{1, 2, 3}, {7, 8, 9, 10}}, 26);
  EXPECT_GT(engine.stats().preemptions, 0);
}

TEST(CpuExecutorTest, ProfileCountsEveryLaunchOfTheBucketsThatRan) {
  auto executor = makeToy(2);
  Engine engine(*executor);
  executor->startProfile();
  Request request;
  request.prompt = {1, 2, 3, 4, 5};
  request.maxTokens = 4;
  ASSERT_TRUE(engine.submit(std::move(request)));
  engine.runUntilIdle();
  std::vector<LaunchTime> times = executor->profile();
  ASSERT_EQ(times.size(), 8u); // four launches of the bucket of 1 token, four of the bucket of 8
  EXPECT_EQ(times[0].calls, 3);
  EXPECT_EQ(times[0].tokens, 3);
  EXPECT_EQ(times[4].calls, 1);
  EXPECT_EQ(times[4].tokens, 5);
  EXPECT_STREQ(times[7].launch->kernelName, "k02_head");
  EXPECT_GT(times[7].seconds, 0);
}

TEST(CpuExecutorTest, ObserverSeesEveryLaunchWithItsOutputs) {
  auto executor = makeToy(3);
  std::vector<int32_t> afterEmbed;
  int seen = 0;
  executor->observe([&](const Launch &launch, const Args &args, const Step &step) {
    if (seen++ == 0)
      afterEmbed.assign(args.get<int32_t>(1), args.get<int32_t>(1) + step.numTokens);
  });
  Engine engine(*executor);
  Request request;
  request.prompt = {0, 1, 2};
  request.maxTokens = 1;
  ASSERT_TRUE(engine.submit(std::move(request)));
  engine.runUntilIdle();
  EXPECT_EQ(seen, 4);
  EXPECT_EQ(afterEmbed, (std::vector<int32_t>{1, 6, 11}));
}

TEST(CpuExecutorTest, RefusesWrongWeightsAndTooLittleMemory) {
  std::vector<std::byte> few(100);
  auto wrong = CpuExecutor::create(toy::plan, std::move(*ThreadPool::create(1, 0)), Weights::borrow(few));
  EXPECT_EQ(wrong.error().message, "the plan of toy needs 452 bytes of weights, the payload has 100");
  std::vector<int32_t> words = toy::makeWeights();
  auto small = CpuExecutor::create(toy::plan, std::move(*ThreadPool::create(1, 0)),
                                   Weights::borrow(std::as_bytes(std::span(words))), {.kvBytes = 31});
  EXPECT_EQ(small.error().message, "31 B of KV cache hold no block: a block of 4 tokens takes 32 B");
}

TEST(CpuExecutorTest, NamesTheFeatureThatTheMachineLacks) {
  Plan plan = toy::plan;
  EXPECT_TRUE(checkMachine(plan));
  plan.target = "cpu:x86-64-v9+warp";
  plan.cpuFeatures = "sse2 warp_drive";
  EXPECT_EQ(checkMachine(plan).error().message, "built for cpu:x86-64-v9+warp, this machine lacks warp_drive");
}

TEST(WeightsTest, ReadAndMapGiveTheSameBytesAndReadFindsDamage) {
  std::string path = testing::TempDir() + "weights_test_payload";
  std::remove(path.c_str());
  std::vector<char> bytes(5 * payloadPieceBytes + 99);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(i * 2246822519u >> 11);
  auto writer = PayloadWriter::append(path);
  ASSERT_TRUE(writer->add("weights", bytes.data(), bytes.size()) && writer->finish());
  auto pool = ThreadPool::create(3, 0);
  auto payload = Payload::open(path);
  Result<Weights> both[] = {Weights::read(*payload, **pool), Weights::map(*payload)};
  for (auto &weights : both) {
    ASSERT_TRUE(weights) << weights.error().message;
    ASSERT_EQ(weights->bytes().size(), bytes.size());
    EXPECT_EQ(std::memcmp(weights->bytes().data(), bytes.data(), bytes.size()), 0);
  }
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
      .seekp(3 << 20)
      .put(static_cast<char>(~bytes[3 << 20]));
  auto damaged = Weights::read(*payload, **pool);
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().message.find("section 'weights' is damaged"), std::string::npos);
  std::remove(path.c_str());
}

} // namespace
