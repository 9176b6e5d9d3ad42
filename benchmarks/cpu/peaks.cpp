// SPDX-License-Identifier: Apache-2.0
// What this machine allows: read bandwidth, and the rate of the dot-product instructions with all operands in
// registers, on the given number of threads. One JSON object; null where the machine has no such instruction.
//
//   g++ -O3 -march=native -std=c++20 -pthread peaks.cpp -o peaks && ./peaks THREADS
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <immintrin.h>
#include <sched.h>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

/// The values count as used.
template <typename T>
void keep(const T &values) {
  asm volatile("" : : "m"(values));
}

/// The best of several runs of `body` on all threads at once, in units a second: from the first thread's start of a
/// run to the last one's end, by their own clocks.
double best(int threads, int runs, double unitsPerThread, const std::function<void(int)> &body) {
  struct alignas(64) Span {
    Clock::time_point begin, end;
  };
  std::vector<std::vector<Span>> spans(runs, std::vector<Span>(threads));
  std::barrier<> start(threads);
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t)
    team.emplace_back([&, t] {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(t, &set);
      sched_setaffinity(0, sizeof set, &set);
      for (std::vector<Span> &run : spans) {
        start.arrive_and_wait();
        run[t].begin = Clock::now();
        body(t);
        run[t].end = Clock::now();
      }
    });
  for (std::thread &t : team)
    t.join();
  double shortest = 1e30;
  for (const std::vector<Span> &run : spans) {
    auto begin = std::min_element(run.begin(), run.end(), [](auto &a, auto &b) { return a.begin < b.begin; })->begin;
    auto end = std::max_element(run.begin(), run.end(), [](auto &a, auto &b) { return a.end < b.end; })->end;
    shortest = std::min(shortest, std::chrono::duration<double>(end - begin).count());
  }
  return unitsPerThread * threads / shortest;
}

using Line = uint64_t __attribute__((vector_size(64))); // a cache line: one register, or two

/// Bytes a second that loads bring from memory: each thread reads its own part of a buffer far larger than any cache.
double readBandwidth(int threads) {
  constexpr size_t bytesPerThread = size_t(1) << 29;
  std::vector<uint64_t *> parts(threads);
  for (uint64_t *&p : parts) {
    p = static_cast<uint64_t *>(std::aligned_alloc(4096, bytesPerThread));
    std::fill_n(p, bytesPerThread / 8, 1);
  }
  double rate = best(threads, 7, bytesPerThread, [&](int t) {
    Line sums[4] = {};
    auto *p = reinterpret_cast<const Line *>(parts[t]);
    for (size_t i = 0; i < bytesPerThread / sizeof(Line); i += 4)
      for (int j = 0; j < 4; ++j)
        sums[j] |= p[i + j];
    keep(sums[0] | sums[1] | sums[2] | sums[3]);
  });
  for (uint64_t *p : parts)
    std::free(p);
  return rate;
}

constexpr int chains = 12; // independent accumulators: latency times throughput and more, and they fit 16 registers
constexpr int64_t rounds = 20'000'000;

/// Runs `step` on independent accumulators, each named by a constant so that all stay in registers.
template <typename Vec, typename Step, size_t... I>
void chainLoop(Step step, std::index_sequence<I...>) {
  Vec acc[chains] = {};
  auto once = [step](Vec a) __attribute__((always_inline)) {
    a = step(a);
    asm volatile("" : "+v"(a)); // not hoisted, not merged
    return a;
  };
  for (int64_t i = 0; i < rounds; ++i)
    ((acc[I] = once(acc[I])), ...);
  (keep(acc[I]), ...);
}

/// Operations a second of `step`, which adds a product of lanes into an accumulator: `ops` each.
template <typename Vec, typename Step>
double registerPeak(int threads, double ops, Step step) {
  return best(threads, 7, double(rounds) * chains * ops,
              [=](int) { chainLoop<Vec>(step, std::make_index_sequence<chains>()); });
}

double integerPeak([[maybe_unused]] int threads) {
#if defined(__AVX512VNNI__)
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  return registerPeak<__m512i>(threads, 128, [=](__m512i c) { return _mm512_dpbusd_epi32(c, a, b); });
#elif defined(__AVXVNNI__)
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5);
  return registerPeak<__m256i>(threads, 64, [=](__m256i c) { return _mm256_dpbusd_avx_epi32(c, a, b); });
#else
  return 0;
#endif
}

double bf16Peak([[maybe_unused]] int threads) {
#if defined(__AVX512BF16__)
  auto a = (__m512bh)_mm512_set1_epi16(0x3f80), b = (__m512bh)_mm512_set1_epi16(0x3c00);
  return registerPeak<__m512>(threads, 64, [=](__m512 c) { return _mm512_dpbf16_ps(c, a, b); });
#else
  return 0;
#endif
}

double floatPeak(int threads) {
#if defined(__AVX512F__)
  __m512 a = _mm512_set1_ps(1.0f), b = _mm512_set1_ps(0.5f);
  return registerPeak<__m512>(threads, 32, [=](__m512 c) { return _mm512_fmadd_ps(a, b, c); });
#else
  __m256 a = _mm256_set1_ps(1.0f), b = _mm256_set1_ps(0.5f);
  return registerPeak<__m256>(threads, 16, [=](__m256 c) { return _mm256_fmadd_ps(a, b, c); });
#endif
}

void print(const char *name, double rate, const char *after) {
  if (rate > 0)
    std::printf("\"%s\": %.4g%s", name, rate, after);
  else
    std::printf("\"%s\": null%s", name, after);
}

} // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 0;
  if (threads < 1) {
    std::fprintf(stderr, "usage: peaks THREADS\n");
    return 2;
  }
  std::printf("{\"threads\": %d, ", threads);
  print("read", readBandwidth(threads), ", ");
  print("vpdpbusd", integerPeak(threads), ", ");
  print("vdpbf16ps", bf16Peak(threads), ", ");
  print("fma", floatPeak(threads), "}\n");
}
