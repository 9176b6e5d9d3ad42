// SPDX-License-Identifier: Apache-2.0
// The border between generated kernels and the runtime that launches them: what a step is, who runs it, what it is
// handed. Plain data; included by generated code, by templates/cpu and by the runtime, and including nothing of them.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <sched.h>

namespace sinter::rt {

/// What one step computes on: T tokens of `numSeqs` sequences, flat, sequence after sequence. Borrowed for the step.
/// The tokens of a sequence are consecutive, and their positions too: contextLen[s] - queryLen .. contextLen[s] - 1.
struct Step {
  int32_t numTokens = 0;               ///< T
  int32_t numSeqs = 0;                 ///< sequences with at least one token in this step
  int32_t numLogits = 0;               ///< S: rows whose logits are wanted
  const int32_t *tokens = nullptr;     ///< [T]
  const int32_t *positions = nullptr;  ///< [T]
  const int32_t *queryStart = nullptr; ///< [numSeqs + 1], where a sequence's tokens start in [0, T]
  const int32_t *contextLen = nullptr; ///< [numSeqs], tokens in the KV cache once this step's are appended
  const int32_t *blockTable = nullptr; ///< [numSeqs, blockTableStride], ids of KV blocks in order of position
  int32_t blockTableStride = 0;
  const int32_t *logitRows = nullptr; ///< [S], rows of T, ascending
};

/// A sense-free spinning barrier for a small team that is busy anyway. A thread that waits for long gives its core
/// away, so that a team of more threads than cores still makes progress.
class TeamBarrier {
public:
  void wait(int32_t count) {
    if (count == 1)
      return;
    uint32_t mine = generation.load(std::memory_order_relaxed);
    if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
      arrived.store(0, std::memory_order_relaxed);
      generation.store(mine + 1, std::memory_order_release);
      return;
    }
    for (int32_t spins = 0; generation.load(std::memory_order_acquire) == mine; ++spins) {
      if (spins < spinsBeforeYield)
        __builtin_ia32_pause();
      else
        sched_yield();
    }
  }

private:
  static constexpr int32_t spinsBeforeYield = 2048;
  alignas(64) std::atomic<int32_t> arrived{0};
  alignas(64) std::atomic<uint32_t> generation{0};
};

/// One thread of the team that runs every kernel of a step together.
struct Worker {
  int32_t index = 0, count = 1;
  std::byte *scratch = nullptr; ///< this thread's own, Plan::scratchBytes long, 64-byte aligned
  TeamBarrier *team = nullptr;

  /// The part [begin, end) of `total` items that is this thread's, in multiples of `grain` items.
  struct Range {
    int64_t begin, end;
  };
  Range range(int64_t total, int64_t grain = 1) const {
    int64_t grains = (total + grain - 1) / grain;
    int64_t begin = grains * index / count * grain, end = grains * (index + 1) / count * grain;
    return {begin < total ? begin : total, end < total ? end : total};
  }
  /// All threads of the team have arrived, and see what the others wrote before.
  void barrier() const { team->wait(count); }
};

/// The buffers of a launch, resolved: weights, arena values, this layer's KV pool, in the order of the plan.
struct Args {
  void *const *pointers;
  template <typename T>
  T *get(int32_t i) const {
    return static_cast<T *>(pointers[i]);
  }
};

/// A kernel: called once by every thread of the team. The team meets at a barrier between two kernels.
using KernelFn = void (*)(const Step &, const Args &, const Worker &);

} // namespace sinter::rt
