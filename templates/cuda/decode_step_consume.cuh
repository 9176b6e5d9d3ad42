// SPDX-License-Identifier: Apache-2.0
// A consuming warp of a resident step: its place in the ring, and the barriers at which it hands over sums.
#pragma once
#include "templates/cuda/decode_step_load.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/matrix.cuh"

namespace sinter::cuda {

/// Barriers at which consumers hand partial sums to the warps that finish tiles, in rounds of a tile each, and sums of
/// squares to all.
template <DecodeStepConfig C>
struct StepSums {
  u32 barriers;
  RingPlace<C.rounds> round{};
  __device__ __forceinline__ u32 full() const { return barriers + round.slot * 8; }
  __device__ __forceinline__ u32 empty() const { return barriers + (C.rounds + round.slot) * 8; }
  __device__ __forceinline__ u32 squaresFull() const { return barriers + 2 * C.rounds * 8; }
  __device__ __forceinline__ u32 squaresEmpty() const { return barriers + (2 * C.rounds + 1) * 8; }
  /// Where, in bytes, the sums of a tile of the round are: [warp / 4][row][warp % 4].
  __device__ __forceinline__ u32 offset(int finisher) const {
    return (round.slot * C.finishers + finisher) * C.sumWords * 4;
  }

  /// By one thread, before a barrierInitFence() and a barrier of the CTA.
  __device__ void init() const {
    for (int i = 0; i < C.rounds; ++i) {
      barrierInit(barriers + i * 8, C.warps * 32);
      barrierInit(barriers + (C.rounds + i) * 8, C.finishers * 32);
    }
    barrierInit(squaresFull(), C.warps * 32);
    barrierInit(squaresEmpty(), C.finishers * 32);
  }
};

/// A consuming warp.
template <DecodeStepConfig C>
struct StepConsumer {
  StepRing<C> ring;
  u32 shared; ///< address
  StepSums<C> sums;
  RingPlace<C.slots> place{};
  u32 warp, lane;
  u32 row; ///< where, in a chunk, this lane's row of the matrices for columns 0 .. lies

  __device__ __forceinline__ StepConsumer(const StepRing<C> &ring, u32 shared, const StepSums<C> &sums, u32 warp,
                                          u32 lane)
      : ring(ring), shared(shared), sums(sums), warp(warp), lane(lane),
        row(warp * blockBytes + lane / 8 % 2 * atomBytes + lane % 8 * 128 + ((lane / 16 ^ lane % 8) << 4)) {
    keepInRegister(row);
  }

  /// Keeps the compiler from computing addresses of this operation ahead of others, which registers do not allow.
  __device__ __forceinline__ void pin() { asm volatile("" : "+r"(warp), "+r"(lane), "+r"(shared)); }

  __device__ __forceinline__ u32 wait() const { return wait(place); }
  __device__ __forceinline__ u32 wait(const RingPlace<C.slots> &p) const {
    barrierWaitBounded(ring.full(p.slot), p.parity);
    return ring.slot(p.slot);
  }
  /// What this warp loaded from the slot has to be there first: an arrival does not wait for loads, and the next copy
  /// would overtake them. The fence waits for all that is under way.
  __device__ __forceinline__ void release() {
    asyncProxyFence();
    barrierArrive(ring.empty(place.slot));
    place.advance();
  }
  /// The same after loadBlock(): a word of every load becomes a part of the barrier's address, for which the arrival
  /// has to wait, and for nothing else.
  __device__ __forceinline__ void release(const U32x4 (&a)[4]) {
    barrierArrive(ring.empty(place.slot) + ((a[0].x ^ a[1].x ^ a[2].x ^ a[3].x) & unknownZero()));
    place.advance();
  }

  /// This warp's block of the chunk at `chunk`, as A operands.
  __device__ __forceinline__ void loadBlock(U32x4 (&a)[4], u32 chunk) const {
#pragma unroll
    for (int step = 0; step < 4; ++step)
      a[step] = loadMatrices((chunk + row) ^ step * 32);
  }

  /// Where this warp keeps the activations of a chunk: [words of a piece of 16 bytes: 4][pieces: 8].
  __device__ __forceinline__ u32 activations(int chunk) const {
    return shared + C.activationsAt() + (warp * C.mostChunks() + chunk) * C.activationBytes();
  }

  /// Where this lane leaves its sums of the round's first tile.
  __device__ __forceinline__ u32 ownSums() const {
    return shared + C.sumsAt() + sums.offset(0) + warp / 4 * 256 + lane / 4 * 16 + warp % 4 * 4;
  }
  /// Waits until the round before the last has been taken away.
  __device__ __forceinline__ void openRound() const { barrierWaitBounded(sums.empty(), sums.round.parity ^ 1); }
  /// Hands the round to those who finish it.
  __device__ __forceinline__ void closeRound() {
    barrierArrive(sums.full());
    sums.round.advance();
  }
};

} // namespace sinter::cuda
