// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/ThreadPool.h"
#include "runtime/device/CpuTopology.h"
#include <chrono>
#include <gtest/gtest.h>
#include <numeric>

using namespace sinter::rt;

namespace {

TEST(ThreadPoolTest, EveryWorkerRunsOncePerDispatch) {
  for (int threads : {1, 2, 5}) {
    auto pool = ThreadPool::create(threads, 100);
    ASSERT_TRUE(pool);
    std::vector<int> runs(static_cast<size_t>(threads));
    for (int round = 0; round < 300; ++round)
      (*pool)->run([&](const Worker &worker) {
        EXPECT_EQ(worker.count, threads);
        ++runs[static_cast<size_t>(worker.index)];
      });
    for (int count : runs)
      EXPECT_EQ(count, 300);
  }
}

TEST(ThreadPoolTest, CallerIsWorkerZeroAndScratchIsPrivateAndAligned) {
  auto pool = ThreadPool::create(3, 5000);
  std::thread::id caller;
  std::byte *scratch[3];
  (*pool)->run([&](const Worker &worker) {
    if (worker.index == 0)
      caller = std::this_thread::get_id();
    scratch[worker.index] = worker.scratch;
    std::fill_n(worker.scratch, 5000, std::byte(worker.index));
  });
  EXPECT_EQ(caller, std::this_thread::get_id());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(reinterpret_cast<uint64_t>(scratch[i]) % 64, 0u);
    for (int j = 0; j < 5000; ++j)
      ASSERT_EQ(scratch[i][j], std::byte(i));
  }
}

TEST(ThreadPoolTest, BarrierShowsWhatOthersWroteEvenWithMoreThreadsThanCores) {
  int threads = 2 * availableCores() + 3;
  auto pool = ThreadPool::create(threads, 0);
  std::vector<int> written(static_cast<size_t>(threads)), wrong(static_cast<size_t>(threads));
  (*pool)->run([&](const Worker &worker) {
    for (int phase = 1; phase <= 50; ++phase) {
      written[static_cast<size_t>(worker.index)] = phase;
      worker.barrier();
      wrong[static_cast<size_t>(worker.index)] +=
          std::accumulate(written.begin(), written.end(), 0) != phase * worker.count;
      worker.barrier();
    }
  });
  EXPECT_EQ(wrong, std::vector<int>(static_cast<size_t>(threads), 0));
}

TEST(ThreadPoolTest, SleepingTeamWakesAndStops) {
  auto pool = ThreadPool::create(4, 0);
  std::atomic<int> runs{0};
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // longer than the team spins
    (*pool)->run([&](const Worker &) { ++runs; });
  }
  EXPECT_EQ(runs, 12);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  pool->reset();
}

TEST(ThreadPoolTest, RangesCoverEverythingOnce) {
  for (int64_t total : {0, 1, 7, 64, 1000})
    for (int64_t grain : {1, 16})
      for (int count : {1, 2, 3, 8}) {
        int64_t expected = 0;
        for (int index = 0; index < count; ++index) {
          auto [begin, end] = Worker{index, count}.range(total, grain);
          EXPECT_EQ(begin, expected);
          EXPECT_TRUE(begin == total || begin % grain == 0);
          expected = end;
        }
        EXPECT_EQ(expected, total);
      }
}

TEST(CpuTopologyTest, NamesMissingFeaturesInOrder) {
  EXPECT_EQ(missingFeatures("avx2 fma", " fpu avx2 fma f16c"), "");
  EXPECT_EQ(missingFeatures("avx512f avx2 avx512_vnni", "fpu avx2 avx512"), "avx512f, avx512_vnni");
  EXPECT_EQ(missingFeatures("", "x"), "");
  EXPECT_NE(cpuFlags().find("sse2"), std::string::npos);
  EXPECT_GE(availableCores(), 1);
}

} // namespace
