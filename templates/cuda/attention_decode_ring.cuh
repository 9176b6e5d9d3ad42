// SPDX-License-Identifier: Apache-2.0
// A warp's ring of keys and values in shared memory: of every unit the warp's 16 tokens, as they lie in the pool. Each
// warp fills and empties its own, so warps meet only when a head is finished.
#pragma once
#include "templates/cuda/attention_decode_work.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/copy.cuh"

namespace sinter::cuda {

/// Tokens of a unit's sequence in this warp's slice, or, not limited, from its first on; 0 or less: none.
template <AttentionDecodeConfig C>
__device__ __forceinline__ int sliceLength(const DecodeUnit &unit) {
  return unit.length - unit.block * kvBlockTokens - int(threadIdx.x) / 32 * C.sliceTokens;
}

template <AttentionDecodeConfig C>
struct DecodeRing {
  u32 slots, barriers; ///< of this warp, in shared memory
  const char *pool;
  u32 filling = 0, reading = 0, parity = 0;

  /// Before the first fill, by the whole warp.
  __device__ __forceinline__ void init() const {
    if constexpr (C.bulk) {
      if (threadIdx.x % 32 == 0) {
        for (int i = 0; i < C.slots; ++i)
          barrierInit(barriers + i * 8, 1);
        barrierInitFence();
      }
      __syncwarp();
    }
  }

  /// Orders the slice of a unit into the next slot; null: none, but the slot is passed.
  __device__ __forceinline__ void fill(const DecodeUnit *unit) {
    if (unit && sliceLength<C>(*unit) > 0) {
      const char *source =
          pool + (long long)unit->pool * (2 * kvHeadBytes(C.headDim)) + threadIdx.x / 32 * (C.sliceTokens * 128);
      copySlice(source, slots + filling * C.sliceBytes(), barriers + filling * 8);
    }
    if constexpr (!C.bulk)
      asyncCopyCommit();
    filling = filling + 1 == C.slots ? 0 : filling + 1;
  }

  /// The next slot, once its slice is there.
  __device__ __forceinline__ u32 wait(bool filled) const {
    if constexpr (!C.bulk) {
      asyncCopyWaitGroup<C.slots - 1>();
      __syncwarp();
    } else if (filled) {
      barrierWait(barriers + reading * 8, parity >> reading & 1);
    }
    return slots + reading * C.sliceBytes();
  }

  /// Leaves the slot to be filled again.
  __device__ __forceinline__ void release(bool filled) {
    __syncwarp();
    parity ^= u32(filled) << reading;
    reading = reading + 1 == C.slots ? 0 : reading + 1;
  }

private:
  /// Keys, then values, each in groups of 64 columns.
  __device__ __forceinline__ static void copySlice(const char *source, u32 target, u32 barrier) {
    constexpr int pieceBytes = C.sliceTokens * 128, groupBytes = kvBlockTokens * 128;
    constexpr int pieces = 2 * C.columnGroups();
    u32 lane = threadIdx.x % 32;
    if constexpr (C.bulk) {
      if (lane == 0) {
        u64 policy = evictFirstPolicy();
        barrierArriveExpect(barrier, C.sliceBytes());
#pragma unroll
        for (int i = 0; i < pieces; ++i)
          bulkCopy(target + i * pieceBytes, source + i * groupBytes, pieceBytes, barrier, policy);
      }
    } else {
#pragma unroll
      for (int i = 0; i < pieces; ++i)
#pragma unroll
        for (int j = 0; j < pieceBytes / 512; ++j)
          asyncCopy(target + i * pieceBytes + j * 512 + lane * 16, source + i * groupBytes + j * 512 + lane * 16, 16);
    }
  }
};

} // namespace sinter::cuda
