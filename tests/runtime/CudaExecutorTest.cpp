// SPDX-License-Identifier: Apache-2.0
// The CUDA executor on a GPU that is played: what it launches, what it uploads, and that the engine on top of it writes
// the known tokens.
#include "CudaPrompts.h"
#include "ToyEngine.h"
#include <numeric>
#include <set>

using namespace sinter::rt;

namespace {

class CudaExecutorTest : public CudaFixture {};

TEST_F(CudaExecutorTest, EngineGeneratesTheKnownTokens) {
  for (bool checkLaunches : {false, true}) {
    CudaExecutorOptions options = fakeOptions();
    options.checkLaunches = checkLaunches;
    auto executor = make(options);
    Engine engine(*executor);
    toy::expectKnownTokens(engine, toy::prompts(), 12);
  }
}

TEST_F(CudaExecutorTest, ListsFitTheStep) {
  auto lists = [](int32_t tokens, int32_t sequences, int32_t logits) {
    return CudaStepLists::choose(toy::cuda, {.numTokens = tokens, .numSeqs = sequences, .numLogits = logits});
  };
  EXPECT_EQ(lists(1, 1, 1).body, &toy::cudaDecode[0]);
  EXPECT_EQ(lists(2, 2, 2).body, &toy::cudaDecode[1]);
  EXPECT_EQ(lists(4, 4, 2).body, &toy::cudaDecode[1]);
  EXPECT_EQ(lists(5, 5, 5).body, &toy::cudaMixed[0]) << "beyond the largest decode list";
  EXPECT_EQ(lists(4, 3, 3).body, &toy::cudaMixed[0]) << "a sequence of two tokens";
  EXPECT_EQ(lists(9, 1, 1).body, &toy::cudaMixed[1]);
  EXPECT_EQ(lists(2, 2, 2).head, &toy::cudaDenseHeads[0]);
  EXPECT_EQ(lists(3, 1, 3).head, &toy::cudaDenseHeads[1]);
  EXPECT_EQ(lists(3, 3, 2).head, &toy::cudaHeads[0]);
  EXPECT_EQ(lists(7, 1, 7).head, &toy::cudaHeads[0]) << "beyond the largest dense head";
  EXPECT_EQ(lists(3, 1, 0).head, nullptr);
}

TEST_F(CudaExecutorTest, AllListsAreKnownAhead) {
  std::set<std::pair<const CudaLaunchList *, const CudaLaunchList *>> known, met;
  for (const CudaStepLists &lists : CudaStepLists::all(toy::cudaPlan))
    EXPECT_TRUE(known.insert({lists.body, lists.head}).second) << "each once";
  for (int32_t tokens = 1; tokens <= toy::maxStepTokens; ++tokens)
    for (int32_t sequences = 1; sequences <= std::min(tokens, toy::maxSeqs); ++sequences)
      for (int32_t logits = 0; logits <= std::min(tokens, toy::cudaPlan.maxStepLogits); ++logits) {
        auto lists = CudaStepLists::choose(toy::cuda, {.numTokens = tokens, .numSeqs = sequences, .numLogits = logits});
        met.insert({lists.body, lists.head});
      }
  EXPECT_EQ(known, met);
}

TEST_F(CudaExecutorTest, NoGraphIsBuiltAfterAll) {
  auto executor = make();
  auto count = executor->buildAllGraphs();
  ASSERT_TRUE(count);
  std::set<std::pair<const CudaLaunchList *, const CudaLaunchList *>> parts; // a head that gathers is one of its own
  for (const CudaStepLists &lists : CudaStepLists::all(toy::cudaPlan)) {
    parts.insert({lists.body, lists.dense ? lists.head : nullptr});
    if (lists.head && !lists.dense)
      parts.insert({nullptr, lists.head});
  }
  EXPECT_EQ(*count, 2 * static_cast<int64_t>(parts.size()));
  EXPECT_EQ(gpu.captures, *count) << "none is built twice";
  for (const std::vector<int32_t> &lengths : {std::vector<int32_t>{1}, {1, 1, 1}, {1, 1, 1, 1, 1}, {3, 1}, {9, 4}})
    for (int set = 0; set < 2; ++set) {
      Prompts prompts(lengths);
      ASSERT_TRUE(executor->start(prompts.step, prompts.rows, false));
      ASSERT_TRUE(executor->finish());
    }
  EXPECT_EQ(gpu.captures, *count);
}

TEST_F(CudaExecutorTest, LaunchesAsThePlanSaysAndOverlapsAllButTheFirst) {
  auto executor = make();
  ASSERT_TRUE(launches.empty()) << "nothing runs before the first step";
  int captured = gpu.captures;
  EXPECT_EQ(captured, 2 * (2 + 2 + 2)) << "decoding with its heads, other bodies, heads that gather, for both sets";
  Prompts one({1});
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  ASSERT_EQ(launches.size(), 5u);
  const char *kernels[] = {"embed", "layer", "layer", "head", "sample"};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(launches[i].kernel, kernels[i]);
    EXPECT_EQ(launches[i].overlaps, i > 0);
  }
  EXPECT_EQ(launches[1].grid, 2u);
  EXPECT_EQ(launches[1].threads, 128u);
  EXPECT_EQ(launches[1].sharedBytes, 4096u);
  EXPECT_EQ(launches[1].args[2], nullptr);
  auto *map = launches[2].get<uint64_t>(2);
  EXPECT_EQ(map[0], reinterpret_cast<uint64_t>(launches[2].args[1])) << "the map is of the arena";
  EXPECT_EQ(launches[2].get<char>(0) - launches[1].get<char>(0),
            executor->limits().numKvBlocks * static_cast<int64_t>(toy::plan.kvBlockBytes));
  auto result = executor->finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->tokens[0], toy::nextToken({0}));
  EXPECT_TRUE(result->logits.empty());

  Prompts more({3, 1});
  ASSERT_TRUE(executor->start(more.step, more.rows, true));
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  result = executor->finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->tokens[0], toy::nextToken({0, 1, 2}));
  EXPECT_EQ(result->tokens[1], toy::nextToken({10}));
  ASSERT_EQ(result->logits.size(), 2u * toy::vocab);
  EXPECT_EQ(result->logits[static_cast<size_t>(toy::vocab + result->tokens[1])], 8.0f);
  EXPECT_EQ(gpu.captures, captured) << "no graph is built twice";
  ASSERT_TRUE(executor->finish());
  EXPECT_NEAR(executor->busySeconds(), 3e-3, 1e-6);
}

TEST_F(CudaExecutorTest, NothingOverlapsOnGpusThatCannot) {
  set("CAPABILITY", "80");
  CudaPlan cuda = toy::cuda;
  cuda.architecture = "sm_80";
  Plan plan = toy::cudaPlan;
  plan.cuda = &cuda;
  auto executor = make(fakeOptions(), plan);
  Prompts one({1});
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  ASSERT_TRUE(executor->finish());
  ASSERT_EQ(launches.size(), 5u);
  for (const FakeLaunch &launch : launches)
    EXPECT_FALSE(launch.overlaps) << launch.kernel;
}

TEST_F(CudaExecutorTest, OneSmallCopyUploadsAStep) {
  auto executor = make();
  Prompts one({1});
  size_t before = gpu.uploads.size();
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  ASSERT_TRUE(executor->finish());
  ASSERT_EQ(gpu.uploads.size(), before + 1);
  EXPECT_LE(gpu.uploads.back(), 256u);
  EXPECT_EQ(counts, (std::vector<int>{1, 1, 1}));
}

TEST_F(CudaExecutorTest, ProfileHasEveryLaunchThatRan) {
  auto executor = make();
  Prompts one({1}), more({3, 1});
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  executor->startProfile();
  for (const Prompts *step : {&one, &one, &one, &more}) {
    ASSERT_TRUE(executor->start(step->step, step->rows, false));
    ASSERT_TRUE(executor->finish());
  }
  EXPECT_EQ(executor->profiledSteps(), 3) << "the first began before, the last is under way";
  ASSERT_TRUE(executor->finish());
  EXPECT_EQ(executor->profiledSteps(), 4);
  EXPECT_FALSE(launches.back().overlaps) << "one after another";
  std::vector<KernelTime> times = executor->profile();
  ASSERT_EQ(times.size(), 5u) << "the toy's lists share their launches";
  EXPECT_EQ(times[1].kernel, "layer");
  EXPECT_EQ(times[1].calls, 4);
  EXPECT_NEAR(times[1].seconds, 4e-3, 1e-6);
  // 100 of weights; 4 a row; 4 a token of context.
  EXPECT_EQ(times[1].bytes, 3 * (100 + 4 + 4) + (100 + 4 * 4 + 4 * 4));
  // 2 a row; 3 a pair: 1 + 2 + 3 and 1.
  EXPECT_EQ(times[1].flops, 3 * (2 + 3) + (2 * 4 + 3 * 7));
  EXPECT_EQ(times[3].flops, 3 * 97 + 2 * 97) << "rows of logits";
  auto bandwidth = executor->measureReadBandwidth();
  ASSERT_TRUE(bandwidth);
  EXPECT_NEAR(*bandwidth, 1e3 * static_cast<double>(toy::weightsBytes), 1);
  EXPECT_EQ(launches.back().grid, 132u);
}

TEST_F(CudaExecutorTest, ListsGrowWhileAProfiledStepIsUnderWay) {
  auto executor = make();
  std::vector<int32_t> past(70000); // more than there is room for at first
  std::iota(past.begin(), past.end(), 0);
  TokenHistory history;
  history.addPrompt(past);
  Prompts one({1}), penalized({1});
  penalized.greedy.repetitionPenalty = 1.5f;
  penalized.rows[0].history = &history;
  executor->startProfile();
  ASSERT_TRUE(executor->start(one.step, one.rows, false)); // two are under way from here on
  for (const Prompts *step : {&one, &penalized, &one}) {
    ASSERT_TRUE(executor->start(step->step, step->rows, false));
    auto result = executor->finish();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->tokens[0], toy::nextToken({0}));
  }
  ASSERT_TRUE(executor->finish());
  EXPECT_EQ(executor->profiledSteps(), 4);
  for (const KernelTime &time : executor->profile())
    EXPECT_EQ(time.calls, 4) << time.kernel;
}

TEST_F(CudaExecutorTest, ErrorsOfTheDriverNameTheCall) {
  auto executor = make();
  Prompts one({1});
  gpu.failing = "cuGraphLaunch";
  auto started = executor->start(one.step, one.rows, false);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message,
            "cuGraphLaunch: CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)");
  gpu.failing = "cuEventSynchronize";
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  auto finished = executor->finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().message,
            "cuEventSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)");
  gpu.failing = "";
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  EXPECT_TRUE(executor->finish());

  CudaExecutorOptions options = fakeOptions();
  options.checkLaunches = true;
  auto checked = make(options);
  gpu.failing = "cuStreamSynchronize";
  started = checked->start(one.step, one.rows, false);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "kernel embed, %0 = embed %tokens, @table : i32[T]: cuStreamSynchronize: "
                                     "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)");
  gpu.failing = "";
}

} // namespace
