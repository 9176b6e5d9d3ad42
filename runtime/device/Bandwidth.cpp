// SPDX-License-Identifier: Apache-2.0
// Sums memory in the compiler's vectors, which every x86-64 has in some width: a read is limited by memory, not by
// them.
#include "runtime/device/Bandwidth.h"
#include "runtime/support/Clock.h"
#include <algorithm>
#include <cstring>

namespace sinter::rt {
namespace {

using Words = uint64_t __attribute__((vector_size(16)));

uint64_t sumOf(const std::byte *begin, const std::byte *end) {
  Words sums[8] = {};
  for (const auto *at = reinterpret_cast<const Words *>(begin); at + 8 <= reinterpret_cast<const Words *>(end); at += 8)
    for (int i = 0; i < 8; ++i)
      sums[i] += at[i];
  uint64_t total = 0;
  for (Words sum : sums)
    total += sum[0] + sum[1];
  return total;
}

} // namespace

Result<double> measureReadBandwidth(ThreadPool &pool, uint64_t bytes, int passes) {
  Result<Memory> memory = Memory::allocate(bytes, Memory::Pages::Huge, "the bandwidth measurement");
  if (!memory)
    return tl::unexpected(memory.error());
  std::vector<uint64_t> sums(static_cast<size_t>(pool.size()) * 8); // 64 bytes apart
  auto part = [&](const Worker &worker) { return worker.range(static_cast<int64_t>(bytes), 4096); };
  pool.run([&](const Worker &worker) {
    auto [begin, end] = part(worker);
    std::memset(memory->data() + begin, 1, static_cast<size_t>(end - begin));
  });
  double best = 0;
  for (int pass = 0; pass < passes; ++pass) {
    double start = secondsNow();
    pool.run([&](const Worker &worker) {
      auto [begin, end] = part(worker);
      sums[static_cast<size_t>(worker.index) * 8] += sumOf(memory->data() + begin, memory->data() + end);
    });
    best = std::max(best, static_cast<double>(bytes) / (secondsNow() - start));
  }
  // The sums are the proof that the reads happened: every byte is 1.
  uint64_t total = 0;
  for (uint64_t sum : sums)
    total += sum;
  if (total == 0)
    return fail("the bandwidth measurement read nothing");
  return best;
}

} // namespace sinter::rt
