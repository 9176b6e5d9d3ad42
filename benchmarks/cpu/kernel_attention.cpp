// SPDX-License-Identifier: Apache-2.0
// The CPU kernels around the matmuls, in the shapes of SmolLM2-135M (30 layers, 9 query and 3 KV heads of 64), on a
// team of threads that meets at a barrier after every kernel, as in a step. Each layer has its own KV pool. Best of
// many runs.
//
//   g++ -O3 -march=native -std=c++20 -pthread -I../.. kernel_attention.cpp -o kernel_attention && ./kernel_attention
//   THREADS
#include "templates/cpu/attention.h"
#include "templates/cpu/elementwise.h"
#include "templates/cpu/rope_append.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

using namespace sinter;
using namespace sinter::cpu;

namespace {

constexpr int layers = 30, heads = 9, kvHeads = 3, headDim = 64, hidden = heads * headDim, maxContext = 2080;
constexpr int qkvColumns = (heads + 2 * kvHeads) * headDim, intermediate = 1536;

/// Memory at a 64-byte boundary, zero; `fill` makes it small random floats.
class Memory {
public:
  explicit Memory(int64_t bytes, bool fill = false)
      : data(static_cast<std::byte *>(std::aligned_alloc(64, (bytes + 63) / 64 * 64))) {
    std::memset(data.get(), 0, bytes);
    std::mt19937 engine(1);
    if (fill)
      for (int64_t i = 0; i < bytes / 4; ++i)
        reinterpret_cast<float *>(data.get())[i] = float(engine() % 2048) / 1024 - 1;
  }
  std::byte *get() const { return data.get(); }

private:
  struct Free {
    void operator()(std::byte *p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data;
};

/// Seconds that the team takes for body(worker, layer) of all layers: of each layer the fastest of `runs` runs, so that
/// a busy machine spoils single calls and not the sum.
double fastest(int threads, int runs, const std::function<void(const rt::Worker &, int)> &body) {
  rt::TeamBarrier barrier;
  std::vector<double> best(layers, 1e9);
  std::vector<std::thread> team;
  auto work = [&](int index) {
    Memory scratch(1 << 20);
    rt::Worker worker{index, threads, scratch.get(), &barrier};
    for (int run = 0; run < runs; ++run)
      for (int layer = 0; layer < layers; ++layer) {
        worker.barrier();
        auto begin = std::chrono::steady_clock::now();
        body(worker, layer);
        worker.barrier();
        std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
        if (index == 0)
          best[layer] = std::min(best[layer], seconds.count());
      }
  };
  for (int i = 1; i < threads; ++i)
    team.emplace_back(work, i);
  work(0);
  for (std::thread &thread : team)
    thread.join();
  return std::accumulate(best.begin(), best.end(), 0.0);
}

/// A sequence of `context` cached tokens of which the last `added` are this step's.
struct Sequence {
  Sequence(int context, int added) : positions(added), queryStart{0, added}, contextLen{context} {
    std::iota(positions.begin(), positions.end(), context - added);
    std::iota(blocks.begin(), blocks.end(), 0);
    step = {.numTokens = added,
            .numSeqs = 1,
            .positions = positions.data(),
            .queryStart = queryStart,
            .contextLen = contextLen,
            .blockTable = blocks.data(),
            .blockTableStride = int32_t(blocks.size())};
  }
  std::vector<int32_t> positions, blocks = std::vector<int32_t>(maxContext / 16);
  int32_t queryStart[2], contextLen[1];
  rt::Step step;
};

struct Bench {
  int threads;
  Memory wide{512 * intermediate * 4, true}, other{512 * intermediate * 4, true}, out{512 * intermediate * 4};
  Memory more{512 * intermediate * 4}, table{maxContext * headDim * 4, true};
  std::vector<Memory> pools;

  explicit Bench(int threads) : threads(threads) {
    for (int i = 0; i < layers; ++i)
      pools.emplace_back(int64_t(maxContext) * kvHeads * headDim * 2 * 4);
  }

  /// Prints microseconds of a kernel a layer, and what `flops` a layer make of them.
  void report(const char *name, rt::KernelFn kernel, Sequence &sequence, const std::vector<std::byte *> &arguments,
              int poolAt, double flops) {
    int runs = sequence.step.numTokens > 16 ? 12 : 200;
    double seconds = fastest(threads, runs, [&](const rt::Worker &worker, int layer) {
      void *pointers[8];
      std::copy(arguments.begin(), arguments.end(), pointers);
      if (poolAt >= 0)
        pointers[poolAt] = pools[layer].get();
      kernel(sequence.step, rt::Args{pointers}, worker);
    });
    std::printf("%-34s %5d %7d %10.2f %10.3f", name, sequence.step.numTokens, sequence.contextLen[0],
                seconds / layers * 1e6, seconds * 1e3);
    flops > 0 ? std::printf(" %10.0f\n", flops * layers / seconds * 1e-9) : std::printf("\n");
  }

  template <Element type>
  void attention(const char *name) {
    constexpr KvConfig kv{.kvHeads = kvHeads, .headDim = headDim, .type = type};
    constexpr RopeAppendConfig A{.heads = heads, .kv = kv};
    constexpr AttentionConfig C{.heads = heads, .kv = kv, .scale = 0.125f};
    for (int filled = 0; filled < maxContext; filled += 512) {
      Sequence fill(std::min(filled + 512, maxContext), std::min(512, maxContext - filled));
      fastest(1, 1, [&](const rt::Worker &worker, int layer) {
        void *pointers[] = {wide.get(), table.get(), pools[layer].get(), out.get()};
        ropeAppend<A>(fill.step, rt::Args{pointers}, worker);
      });
    }
    for (auto [context, added] : {std::pair{512, 512}, {64, 1}, {128, 1}, {600, 1}, {2048, 1}, {2048, 128}}) {
      Sequence sequence(context, added);
      double pairs = double(added) * context - double(added) * (added - 1) / 2;
      report(name, pagedAttention<C>, sequence, {wide.get(), nullptr, out.get()}, 1, pairs * heads * headDim * 4);
    }
  }

  void others(int tokens) {
    Sequence sequence(600 > tokens ? 600 : tokens, tokens);
    constexpr RmsNormConfig norm{.hidden = hidden, .eps = 1e-5f, .out = Element::Q8};
    constexpr AddRmsNormConfig addNorm{.hidden = hidden, .eps = 1e-5f, .out = Element::Q8};
    constexpr BinaryConfig silu{.columns = intermediate, .out = Element::Q8};
    constexpr RopeAppendConfig append{.heads = heads, .kv = {.kvHeads = kvHeads, .headDim = headDim}};
    report("rmsNorm -> q8", rmsNorm<norm>, sequence, {wide.get(), table.get(), out.get()}, -1, 0);
    report("addRmsNorm -> f32, q8", addRmsNorm<addNorm>, sequence,
           {wide.get(), other.get(), table.get(), more.get(), out.get()}, -1, 0);
    report("siluMul -> q8", siluMul<silu>, sequence, {wide.get(), other.get(), out.get()}, -1, 0);
    report("ropeAppend -> f32, bf16 cache", ropeAppend<append>, sequence, {wide.get(), table.get(), nullptr, out.get()},
           2, 0);
  }
};

} // namespace

int main(int argc, char **argv) {
  Bench bench(argc > 1 ? std::atoi(argv[1]) : 1);
  std::printf("%-34s %5s %7s %10s %10s %10s\n", "kernel", "T", "context", "us/layer", "ms/step", "GFLOP/s");
  bench.attention<Element::BF16>("attention, bf16 cache");
  bench.attention<Element::F16>("attention, f16 cache");
  bench.attention<Element::F32>("attention, f32 cache");
  bench.others(1);
  bench.others(512);
}
