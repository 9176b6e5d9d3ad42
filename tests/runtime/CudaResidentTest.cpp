// SPDX-License-Identifier: Apache-2.0
// Resident bodies on a GPU that is played: which steps they take, on which GPUs, and what their launches are handed.
#include "CudaPrompts.h"
#include <algorithm>

using namespace sinter::rt;

namespace {

using Kind = CudaArgKind;

constexpr CudaArg pointers[] = {{Kind::Weight, 64}, {Kind::Weight, 128}, {Kind::KvLayer, 1}};
constexpr CudaArg layerArgs[] = {{Kind::KvLayer, 0}, {Kind::Value, 0}, {Kind::Pointers, 2}};
constexpr CudaArg lastLayerArgs[] = {{Kind::KvLayer, 1}, {Kind::Value, 0}, {Kind::Exchange, 0}};
constexpr CudaLaunch body[] = {toy::cudaBody[0],
                               {1, "%1 = layer %0 : i32[T]", layerArgs, 3, 0, 2, 100, 4, 4, 2, 3},
                               {1, "%2 = layer %1 : i32[T]", lastLayerArgs, 3, 1, 2, 100, 4, 4, 2, 3}};
constexpr CudaLaunchList bodies[] = {{1, body, 3}};
constexpr CudaLaunchList heads[] = {{1, toy::cudaHead, 2}};

constexpr CudaPlan makePlan() {
  CudaPlan made = toy::cuda;
  made.resident = bodies;
  made.residentHeads = heads;
  made.numResident = 1;
  made.residentBlocks = 132;
  made.pointers = pointers;
  made.numPointers = 3;
  made.exchangeBytes = 48;
  return made;
}
constexpr CudaPlan cuda = makePlan();

class CudaResidentTest : public CudaFixture {
protected:
  CudaResidentTest() { plan.cuda = &cuda; }
  Plan plan = toy::cudaPlan;
};

TEST_F(CudaResidentTest, TakeStepsWhoseRowsAllHaveLogitsWhereTheirBlocksRunAtOnce) {
  auto lists = [](int32_t tokens, int32_t sequences, int32_t logits, int multiprocessors) {
    return CudaStepLists::choose(cuda, {.numTokens = tokens, .numSeqs = sequences, .numLogits = logits},
                                 multiprocessors);
  };
  EXPECT_EQ(lists(1, 1, 1, 132).body, &bodies[0]);
  EXPECT_EQ(lists(1, 1, 1, 132).head, &heads[0]);
  EXPECT_TRUE(lists(1, 1, 1, 132).dense);
  EXPECT_EQ(lists(1, 1, 1, 131).body, &toy::cudaDecode[0]) << "a GPU with fewer multiprocessors";
  EXPECT_EQ(lists(1, 1, 0, 132).body, &toy::cudaDecode[0]) << "nobody wants logits";
  EXPECT_EQ(lists(2, 2, 2, 132).body, &toy::cudaDecode[1]);
  EXPECT_EQ(lists(3, 1, 1, 132).body, &toy::cudaMixed[0]);
}

TEST_F(CudaResidentTest, AllListsAreKnownAhead) {
  auto has = [&](int multiprocessors) {
    return std::ranges::any_of(CudaStepLists::all(plan, multiprocessors),
                               [](const CudaStepLists &lists) { return lists.body == &bodies[0]; });
  };
  EXPECT_TRUE(has(132));
  EXPECT_FALSE(has(114));
}

TEST_F(CudaResidentTest, LaunchesAreHandedTablesOfPointersAndAnExchangeThatIsZeroAtLoad) {
  auto executor = make(fakeOptions(), plan);
  Prompts one({1});
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  ASSERT_EQ(launches.size(), 5u);
  EXPECT_EQ(launches[1].get<void *>(2)[0], launches[2].args[0]) << "the last of the table: the second layer's pool";
  auto *exchange = launches[2].get<char>(2);
  EXPECT_TRUE(std::all_of(exchange, exchange + cuda.exchangeBytes, [](char byte) { return byte == 0; }));
  auto result = executor->finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->tokens[0], toy::nextToken({0}));
}

TEST_F(CudaResidentTest, SmallerGpusRunTheDecodeList) {
  set("MULTIPROCESSORS", "114");
  auto executor = make(fakeOptions(), plan);
  Prompts one({1});
  ASSERT_TRUE(executor->start(one.step, one.rows, false));
  ASSERT_TRUE(executor->finish());
  ASSERT_EQ(launches.size(), 5u);
  EXPECT_EQ(launches[1].args[2], nullptr) << "as toy::cudaBody has it";
}

TEST_F(CudaResidentTest, FailuresSayThatBlocksMustAllRunAtOnce) {
  constexpr const char *hint = "whose 132 blocks must all run at once";
  for (bool resident : {true, false}) {
    set("MULTIPROCESSORS", resident ? "132" : "114");
    auto executor = make(fakeOptions(), plan);
    Prompts one({1});
    ASSERT_TRUE(executor->start(one.step, one.rows, false));
    set("FAIL", "cuEventSynchronize");
    auto result = executor->finish();
    unsetenv("FAKE_CUDA_FAIL");
    ASSERT_FALSE(result);
    EXPECT_EQ(resident, result.error().message.find(hint) != std::string::npos) << result.error().message;
  }
}

} // namespace
