// SPDX-License-Identifier: Apache-2.0
// The matmul kernels alone, on SmolLM2-135M's shapes: a prompt of 512 tokens against the instruction peak measured in
// the same run, a generated token against the read bandwidth. Best of several repetitions.
//
//   g++ -std=c++20 -O3 -march=native -ffp-contract=off -I. benchmarks/cpu/kernel_linear.cpp -pthread -o kernel_linear
//   ./kernel_linear [threads = 2] [format ...]
#include "templates/cpu/linear.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <time.h>
#include <vector>

using namespace sinter;
using namespace sinter::cpu;

namespace {

int threads = 2;

/// Memory of the machine, zeroed, in huge pages where there are some.
std::byte *allocate(size_t bytes) {
  bytes = (bytes + (2u << 20) - 1) >> 21 << 21;
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(p, bytes, MADV_HUGEPAGE);
  return static_cast<std::byte *>(p);
}

/// Seconds that this thread has run: what other processes take of the cores does not count.
double threadSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

/// Seconds of `work(worker)` run by the team, of the slowest thread, best of `repeats`.
double best(int repeats, const std::function<void(const rt::Worker &)> &work) {
  rt::TeamBarrier barrier;
  std::vector<double> seconds(static_cast<size_t>(repeats * threads));
  static std::vector<std::byte *> scratch;
  while (scratch.size() < size_t(threads))
    scratch.push_back(allocate(8 << 20));
  auto run = [&](int index) {
    rt::Worker worker;
    worker.index = index;
    worker.count = threads;
    worker.scratch = scratch[size_t(index)];
    worker.team = &barrier;
    for (int r = 0; r < repeats; ++r) {
      worker.barrier();
      double start = threadSeconds();
      work(worker);
      seconds[size_t(r * threads + index)] = threadSeconds() - start;
    }
  };
  std::vector<std::thread> team;
  for (int i = 1; i < threads; ++i)
    team.emplace_back(run, i);
  run(0);
  for (auto &t : team)
    t.join();
  double least = 1e9;
  for (auto r = seconds.begin(); r != seconds.end(); r += threads)
    least = std::min(least, *std::max_element(r, r + threads));
  return least;
}

/// Operations a second of one instruction on registers, every thread busy.
template <typename V>
double peak(double operations, auto step) {
  constexpr int rounds = 1000000;
  double seconds = best(9, [&](const rt::Worker &w) {
    V acc[12] = {}, a{}, b{};
    asm volatile("" : "+v"(a), "+v"(b));
    for (int i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
      for (int j = 0; j < 12; ++j)
        acc[j] = step(acc[j], a, b);
#pragma GCC unroll 12
      for (int j = 0; j < 12; ++j)
        asm volatile("" : "+v"(acc[j]));
    }
  });
  return operations * 12 * rounds * threads / seconds;
}

double readBandwidth() {
  constexpr size_t bytes = size_t(256) << 20;
  static std::byte *memory = allocate(bytes);
  std::memset(memory, 1, bytes);
  double seconds = best(21, [&](const rt::Worker &w) {
    auto mine = w.range(int64_t(bytes), 4096);
    I32x16 sum[4] = {zeroI(), zeroI(), zeroI(), zeroI()};
    for (int64_t i = mine.begin; i < mine.end; i += 256)
      for (int j = 0; j < 4; ++j)
        sum[j] = sum[j] + loadBytes(memory + i + j * 64);
    storeBytes(w.scratch, sum[0] + sum[1] + sum[2] + sum[3]);
  });
  return double(bytes) / seconds;
}

/// A matmul with its buffers; weights are random bits whose scales are made harmless.
struct Job {
  rt::KernelFn kernel;
  std::vector<void *> pointers;
  double operationsPerToken, weightBytes;
};

template <LinearConfig C>
Job makeJob(std::byte *x, std::byte *y, std::byte *&arena) {
  int64_t columns = C.n * (C.swiglu ? 2 : 1);
  int64_t bytes = packedBytes(C.weight, columns, C.k);
  std::byte *weights = arena;
  arena += bytes;
  std::mt19937_64 random(1);
  // 0x1c.. is a small positive number in float16, bfloat16 and float32 alike, and any code is a code.
  for (int64_t i = 0; i < bytes / 8; ++i)
    reinterpret_cast<uint64_t *>(weights)[i] = (random() & 0x03ff03ff03ff03ff) | 0x1c001c001c001c00;
  if (linearScratchBytes<C>() > 8 << 20)
    std::abort();
  return {linear<C>, {x, weights, y}, 2.0 * double(columns) * double(C.k), double(bytes)};
}

constexpr int promptTokens = 512, layers = 30;

/// Activations of a prompt.
template <Element X>
std::byte *makeRows(int64_t k) {
  std::byte *x = allocate(size_t(promptTokens * k * 4));
  std::vector<float> row(static_cast<size_t>(k));
  for (int64_t t = 0; t < promptTokens; ++t) {
    for (int64_t i = 0; i < k; ++i) {
      row[size_t(i)] = float((t * 31 + i * 17) % 61 - 30) * 0.03f;
      if constexpr (X != Element::Q8)
        reinterpret_cast<uint16_t *>(x)[t * k + i] = floatToBf16(row[size_t(i)]);
    }
    if constexpr (X == Element::Q8)
      quantizeRow(row.data(), k, x + t * int64_t(q8RecordBytes(k)));
  }
  return x;
}

/// The matmuls of one layer, and the head.
template <WeightFormat F, WeightFormat Down, Element X>
void report(const char *name, double instructionPeak, double bandwidth) {
  constexpr Element hidden = X == Element::Q8 ? Element::Q8 : X;
  std::byte *x = makeRows<X>(576), *wide = makeRows<X>(1536), *y = allocate(promptTokens * 49152 * 4);
  std::byte *arena = allocate(300 << 20); // all weights, one after the other, as in an executable
  std::vector<Job> jobs;
  for (int l = 0; l < layers; ++l) {
    jobs.push_back(makeJob<LinearConfig{.k = 576, .n = 960, .weight = F, .x = X}>(x, y, arena));
    jobs.push_back(makeJob<LinearConfig{.k = 576, .n = 576, .weight = F, .x = X}>(x, y, arena));
    jobs.push_back(
        makeJob<LinearConfig{.k = 576, .n = 1536, .weight = F, .x = X, .out = hidden, .swiglu = true}>(x, y, arena));
    jobs.push_back(makeJob<LinearConfig{.k = 1536, .n = 576, .weight = Down, .x = X}>(wide, y, arena));
  }
  Job head = makeJob<LinearConfig{.k = 576, .n = 49152, .weight = F, .x = X}>(x, y, arena);

  rt::Step step;
  step.numTokens = promptTokens;
  std::printf("%-9s", name);
  double layer = 0, operations = 0;
  for (int j = 0; j < 4; ++j) {
    const Job &job = jobs[size_t(j)];
    double seconds = best(25, [&](const rt::Worker &w) { job.kernel(step, rt::Args{job.pointers.data()}, w); });
    std::printf(" %4.0f%%", 100 * job.operationsPerToken * promptTokens / seconds / instructionPeak);
    layer += seconds;
    operations += job.operationsPerToken * promptTokens;
  }
  std::printf("  %4.0f%% %6.0f", 100 * operations / layer / instructionPeak, promptTokens / (layer * layers));
  for (int tokens : {1, 2, 4, 8}) {
    step.numTokens = tokens;
    double bytes = head.weightBytes;
    for (const Job &job : jobs)
      bytes += job.weightBytes;
    double seconds = best(41, [&](const rt::Worker &w) {
      for (const Job &job : jobs)
        job.kernel(step, rt::Args{job.pointers.data()}, w);
      head.kernel(step, rt::Args{head.pointers.data()}, w);
    });
    if (tokens == 1)
      std::printf(" |%5.1f %4.0f%%", bytes / seconds / 1e9, 100 * bytes / seconds / bandwidth);
    std::printf(" %6.0f", tokens / seconds);
  }
  std::printf("\n");
  std::fflush(stdout);
}

} // namespace

int main(int argc, char **argv) {
  if (argc > 1)
    threads = std::atoi(argv[1]);
  auto wanted = [&](const char *name) {
    for (int i = 2; i < argc; ++i)
      if (std::string(argv[i]) == name)
        return true;
    return argc <= 2;
  };
  double bandwidth = readBandwidth();
#if defined(__AVX512VNNI__)
  double bytePeak = peak<__m512i>(128, [](__m512i c, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(c, a, b); });
#elif SINTER_AVX512
  double bytePeak = peak<__m512i>(
      128, [](__m512i c, __m512i a, __m512i b) { return _mm512_madd_epi16(_mm512_maddubs_epi16(c, a), b); });
#else
  double bytePeak = peak<__m256i>(
      64, [](__m256i c, __m256i a, __m256i b) { return _mm256_madd_epi16(_mm256_maddubs_epi16(c, a), b); });
#endif
#if defined(__AVX512BF16__)
  double brainPeak =
      peak<__m512>(64, [](__m512 c, __m512 a, __m512 b) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); });
#elif SINTER_AVX512
  double brainPeak = peak<__m512>(32, [](__m512 c, __m512 a, __m512 b) { return _mm512_fmadd_ps(a, b, c); });
#else
  double brainPeak = peak<__m256>(16, [](__m256 c, __m256 a, __m256 b) { return _mm256_fmadd_ps(a, b, c); });
#endif
  std::printf("%d threads: %.2f TOP/s int8, %.2f TFLOP/s bf16, read %.1f GB/s\n", threads, bytePeak / 1e12,
              brainPeak / 1e12, bandwidth / 1e9);
  std::printf("          prompt of 512, share of peak       matmuls alone | one token            tokens/s at\n");
  std::printf("            qkv    o   g/u  down   all  tok/s | GB/s share      1      2      4      8\n");
  constexpr WeightFormat q8_0{.bits = 8, .group = 32}, q4_0{.bits = 4, .group = 32}, q5_0{.bits = 5, .group = 32};
  constexpr WeightFormat q4_1{.bits = 4, .isSigned = false, .hasMin = true, .group = 32};
  constexpr WeightFormat q4_k{.bits = 4, .isSigned = false, .hasMin = true, .subBits = 6, .group = 32, .super = 256};
  constexpr WeightFormat q6_k{.bits = 6, .subBits = 8, .group = 16, .super = 256};
  constexpr WeightFormat bf16{.element = Element::BF16};
  if (wanted("q4_1"))
    report<q4_1, q4_1, Element::Q8>("q4_1", bytePeak, bandwidth);
  if (wanted("q4_0"))
    report<q4_0, q4_0, Element::Q8>("q4_0", bytePeak, bandwidth);
  if (wanted("q8_0"))
    report<q8_0, q8_0, Element::Q8>("q8_0", bytePeak, bandwidth);
  if (wanted("q5_0+q4_k"))
    report<q5_0, q4_k, Element::Q8>("q5_0+q4_k", bytePeak, bandwidth);
  if (wanted("q5_0+q6_k"))
    report<q5_0, q6_k, Element::Q8>("q5_0+q6_k", bytePeak, bandwidth);
  if (wanted("bf16"))
    report<bf16, bf16, Element::BF16>("bf16", brainPeak, bandwidth);
}
