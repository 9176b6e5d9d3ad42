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
#pragma unroll 1
        for (int i = 0; i < C.slots; ++i)
          barrierInit(barriers + i * 8, 1);
        barrierInitFence();
      }
      __syncwarp();
    }
  }

  /// Orders the slices of a CTA's first units, a slot each.
  __device__ __forceinline__ void fillFirst(const DecodeUnits<C> &units) {
    if constexpr (C.bulk) {
      int lane = int(threadIdx.x) % 32, i = lane / pieces; // a lane for each piece
      if (i < C.slots && i < units.count && sliceLength<C>(units.at(i)) > 0)
        bulkPiece(units.at(i), i, lane % pieces);
    } else {
#pragma unroll 1
      for (int i = 0; i < C.slots; ++i)
        fill(i < units.count ? &units.at(i) : nullptr);
    }
  }

  /// Orders the slice of a unit into the next slot; null: none, but the slot is passed.
  __device__ __forceinline__ void fill(const DecodeUnit *unit) {
    if (unit && sliceLength<C>(*unit) > 0) {
      if constexpr (C.bulk) {
        if (threadIdx.x % 32 == 0)
          bulkSlice(*unit, filling);
      } else {
        copySlice(*unit, filling);
      }
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
  static constexpr int pieceBytes = C.sliceTokens * 128, groupBytes = kvBlockTokens * 128;
  static constexpr int pieces = 2 * C.columnGroups(); ///< of a slice: keys, then values, each in groups of 64 columns

  __device__ __forceinline__ const char *sliceOf(const DecodeUnit &unit) const {
    return pool + (long long)unit.pool * (2 * kvHeadBytes(C.headDim)) + threadIdx.x / 32 * pieceBytes;
  }

  /// By one lane. Of the slice's last 8 tokens none comes where the sequence has ended before.
  __device__ __forceinline__ void bulkSlice(const DecodeUnit &unit, u32 slot) const {
    u32 target = slots + slot * C.sliceBytes(), barrier = barriers + slot * 8;
    const char *source = sliceOf(unit);
    u64 policy = evictFirstPolicy();
    u32 bytes = sliceLength<C>(unit) > atomRows ? pieceBytes : atomBytes;
    barrierArriveExpect(barrier, pieces * bytes);
#pragma unroll
    for (int i = 0; i < pieces; ++i)
      bulkCopy(target + i * pieceBytes, source + i * groupBytes, bytes, barrier, policy);
  }

  /// By one lane for each piece, which the barrier counts one by one.
  __device__ __forceinline__ void bulkPiece(const DecodeUnit &unit, u32 slot, int piece) const {
    u32 bytes = sliceLength<C>(unit) > atomRows ? pieceBytes : atomBytes, barrier = barriers + slot * 8;
    if (piece == 0)
      barrierArriveExpect(barrier, pieces * bytes);
    __syncwarp(__activemask());
    bulkCopy(slots + slot * C.sliceBytes() + piece * pieceBytes, sliceOf(unit) + piece * groupBytes, bytes, barrier,
             evictFirstPolicy());
  }

  /// By all lanes.
  __device__ __forceinline__ void copySlice(const DecodeUnit &unit, u32 slot) const {
    u32 offset = threadIdx.x % 32 * 16, target = slots + slot * C.sliceBytes() + offset;
    const char *source = sliceOf(unit) + offset;
#pragma unroll
    for (int i = 0; i < pieces; ++i)
#pragma unroll
      for (int j = 0; j < pieceBytes / 512; ++j)
        asyncCopy(target + i * pieceBytes + j * 512, source + i * groupBytes + j * 512, 16);
  }
};

} // namespace sinter::cuda
