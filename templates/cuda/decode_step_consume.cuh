// SPDX-License-Identifier: Apache-2.0
// The matmuls of a resident step, by the consuming warps. Before an operation's activations are there, its first
// weights are on their way from the ring to registers; each warp then polls for the activations of its own columns and
// multiplies them from registers, without meeting another warp.
//
// An mma multiplies 8 columns, one token needs one: all eight get the same activations, so that every lane has sums of
// whole rows, and none have to be added across lanes.
//
// All operations run through the same code: what is unrolled for each would not fit the instruction cache.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/decode_step_load.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// Barriers at which consumers hand a tile's partial sums to the warp that finishes it, and sums of squares to all.
template <DecodeStepConfig C>
struct StepSums {
  static constexpr int count = 2 * C.finishers + 2;
  u32 barriers;
  u32 phases = 0; ///< parity of each finisher's round
  __device__ __forceinline__ u32 full(int f) const { return barriers + f * 8; }
  __device__ __forceinline__ u32 empty(int f) const { return barriers + (C.finishers + f) * 8; }
  __device__ __forceinline__ u32 squaresFull() const { return barriers + 2 * C.finishers * 8; }
  __device__ __forceinline__ u32 squaresEmpty() const { return barriers + (2 * C.finishers + 1) * 8; }
  __device__ __forceinline__ u32 parity(int f) const { return phases >> f & 1; }
  __device__ __forceinline__ void advance(int f) { phases ^= 1u << f; }

  /// By one thread, before a barrierInitFence() and a barrier of the CTA.
  __device__ void init() const {
    for (int f = 0; f < C.finishers; ++f) {
      barrierInit(full(f), C.warps);
      barrierInit(empty(f), 1);
    }
    barrierInit(squaresFull(), C.warps);
    barrierInit(squaresEmpty(), C.finishers);
  }
};

/// A consuming warp.
template <DecodeStepConfig C>
struct StepConsumer {
  StepRing<C> ring;
  u32 shared; ///< address
  StepSums<C> sums;
  RingPlace<C.slots> place{};
  int warp, lane;

  /// Keeps the compiler from computing addresses of this operation ahead of others, which registers do not allow.
  __device__ __forceinline__ void pin() { asm volatile("" : "+r"(warp), "+r"(lane), "+r"(shared)); }

  __device__ __forceinline__ u32 wait() const {
    barrierWaitBounded(ring.full(place.slot), place.parity);
    return ring.slot(place.slot);
  }
  /// What this warp loaded from the slot has to be there first: an arrival does not wait for loads, and the next copy
  /// would overtake them.
  __device__ __forceinline__ void release() {
    asyncProxyFence();
    barrierArriveWarp(ring.empty(place.slot), lane);
    place.advance();
  }

  /// Where, in a block, this lane's row of the matrices for columns 16 step .. lies.
  __device__ __forceinline__ u32 rowAt(int step) const {
    return lane / 8 % 2 * atomBytes + 2 * atomIndex(lane % 8, (step * 2 + lane / 16) * 8);
  }

  /// This warp's block of the chunk at `chunk`, as A operands.
  __device__ __forceinline__ void loadBlock(U32x4 (&a)[4], u32 chunk) const {
#pragma unroll
    for (int step = 0; step < 4; ++step)
      a[step] = loadMatrices(chunk + warp * blockBytes + rowAt(step));
  }

  /// Where this warp keeps the activations of a chunk: [words of a piece of 8: 4][pieces: 8].
  __device__ __forceinline__ u32 activations(int chunk) const {
    return shared + C.activationsAt() + (warp * C.mostChunks() + chunk) * 128;
  }

  /// Adds the products of this warp's block of a chunk. Four sums, so that mmas follow each other unchained.
  __device__ __forceinline__ void multiply(float (&sum)[4][4], const U32x4 (&a)[4], int chunk) const {
    u32 at = activations(chunk) + lane % 4 * 32;
    U32x4 first = loadShared(at), second = loadShared(at + 16);
    mma(sum[0], a[0], first.x, first.y);
    mma(sum[1], a[1], first.z, first.w);
    mma(sum[2], a[2], second.x, second.y);
    mma(sum[3], a[3], second.z, second.w);
  }

  /// Hands this warp's part of tile `tile`, of the SM's in an operation, to who finishes it.
  __device__ __forceinline__ void finishTile(float (&sum)[4][4], int tile) {
    float low = (sum[0][0] + sum[1][0]) + (sum[2][0] + sum[3][0]);
    float high = (sum[0][2] + sum[1][2]) + (sum[2][2] + sum[3][2]);
#pragma unroll
    for (int i = 0; i < 4; ++i)
      sum[0][i] = sum[1][i] = sum[2][i] = sum[3][i] = 0;
    int f = tile % C.finishers;
    barrierWaitBounded(sums.empty(f), sums.parity(f) ^ 1);
    if (lane % 4 == 0) {
      u32 at = shared + C.sumsAt() + (f * C.sumWords + lane / 4 * C.warps + warp) * 4;
      storeShared(at, __float_as_uint(low));
      storeShared(at + 8 * C.warps * 4, __float_as_uint(high));
    }
    barrierArriveWarp(sums.full(f), lane);
    sums.advance(f);
  }
};

/// Waits for this warp's activations of an operation and leaves them in shared memory; with `norm`, their squares too.
/// `parity`: of the norms since the first of the step.
template <DecodeStepConfig C>
__device__ __forceinline__ void fetchActivations(StepConsumer<C> &self, const u32 *source, int chunks, bool norm,
                                                 u32 parity) {
  constexpr int together = C.mostChunks() < 10 ? C.mostChunks() : 10;
  float squares = 0;
#pragma unroll 1
  for (int first = 0; first < chunks; first += together) {
    u32 words[together];
    int left = chunks - first;
    const u32 *from = source + (first * C.chunkBlocks + self.warp) * 32 + self.lane;
    pollWords<together>(words, [&](int i) { return i < left ? from + i * C.chunkBlocks * 32 : nullptr; });
#pragma unroll
    for (int i = 0; i < together; ++i) {
      if (i >= left)
        break;
      squares += squaresOf(words[i]);
      storeShared(self.activations(first + i) + (self.lane % 4 * 8 + self.lane / 4) * 4, words[i]);
    }
  }
  __syncwarp();
  if (norm) {
    barrierWaitBounded(self.sums.squaresEmpty(), parity ^ 1);
    storeShared(self.shared + C.squaresAt() + (self.warp * 32 + self.lane) * 4, __float_as_uint(squares));
    barrierArriveWarp(self.sums.squaresFull(), self.lane);
  }
}

/// The tiles of operation `op` that this SM has. `source`: its activations in the exchange.
template <DecodeStepConfig C>
__device__ __forceinline__ void consumeTiles(StepConsumer<C> &self, int op, const u32 *source, int tiles) {
  if (tiles == 0)
    return;
  self.pin();
  int chunks = stepChunks<C>(op), total = tiles * chunks;
  U32x4 a[C.preload][4];
#pragma unroll
  for (int i = 0; i < C.preload; ++i)
    if (i < total) {
      self.loadBlock(a[i], self.wait());
      self.release();
    } else { // or they would live from one operation to the next
      a[i][0] = a[i][1] = a[i][2] = a[i][3] = {};
    }
  fetchActivations<C>(self, source, chunks, op == int(StepOp::Qkv) || op == int(StepOp::GateUp),
                      op == int(StepOp::GateUp));
  float sum[4][4] = {};
  int chunk = 0, tile = 0;
#pragma unroll
  for (int i = 0; i < C.preload; ++i)
    if (i < total) {
      self.multiply(sum, a[i], chunk);
      if (++chunk == chunks) {
        self.finishTile(sum, tile++);
        chunk = 0;
      }
    }
#pragma unroll 1
  for (int i = C.preload; i < total; ++i) {
    U32x4 b[4];
    self.loadBlock(b, self.wait());
    self.multiply(sum, b, chunk);
    self.release();
    if (++chunk == chunks) {
      self.finishTile(sum, tile++);
      chunk = 0;
    }
  }
}

} // namespace sinter::cuda
