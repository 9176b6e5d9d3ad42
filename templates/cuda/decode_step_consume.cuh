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
    barrierArrive(ring.empty(place.slot));
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

/// A consuming warp's way through the tiles of an operation. Its addresses are there before activations are.
template <DecodeStepConfig C>
struct StepTiles {
  StepConsumer<C> &self;
  int left, finisher = 0; ///< tiles; the next one's place in its round
  u32 begin, end;         ///< this lane's activations of the first chunk, and behind the last
  u32 at, to;             ///< those of the next chunk, and where the sums of its tile go
  float sum[4][4] = {};   ///< four, so that mmas follow each other unchained

  __device__ __forceinline__ StepTiles(StepConsumer<C> &self, int tiles, int chunks)
      : self(self), left(tiles), begin(self.activations(0) + self.lane % 4 * 32),
        end(begin + chunks * C.activationBytes()), to(self.ownSums()) {
    pinned(begin), pinned(end), pinned(to);
    at = begin;
  }

  /// Adds the products of this warp's block of the next chunk.
  __device__ __forceinline__ void multiply(const U32x4 (&a)[4]) {
    U32x4 first = loadShared(at), second = loadShared(at + 16);
    mma(sum[0], a[0], first.x, first.y);
    mma(sum[1], a[1], first.z, first.w);
    mma(sum[2], a[2], second.x, second.y);
    mma(sum[3], a[3], second.z, second.w);
  }
  __device__ __forceinline__ void advance() {
    at += C.activationBytes();
    if (at == end)
      finish();
  }
  /// Leaves this warp's part of a tile for who finishes it.
  __device__ __forceinline__ void finish() {
    float low = (sum[0][0] + sum[1][0]) + (sum[2][0] + sum[3][0]);
    float high = (sum[0][2] + sum[1][2]) + (sum[2][2] + sum[3][2]);
#pragma unroll
    for (int i = 0; i < 4; ++i)
      sum[0][i] = sum[1][i] = sum[2][i] = sum[3][i] = 0;
    if (self.lane % 4 == 0) {
      storeShared(to, __float_as_uint(low));
      storeShared(to + 8 * 16, __float_as_uint(high));
    }
    at = begin;
    to += C.sumWords * 4;
    ++finisher;
    if (--left > 0 && finisher < C.finishers)
      return;
    self.closeRound();
    if (left > 0) {
      self.openRound();
      to = self.ownSums();
      finisher = 0;
    }
  }
};

/// Waits for this warp's activations of an operation and leaves them in shared memory; returns the sum of a lane's
/// squares.
template <DecodeStepConfig C>
__device__ __forceinline__ float fetchActivations(StepConsumer<C> &self, const u32 *source, int chunks) {
  constexpr int vectors = ceilDiv(C.mostChunks(), 4) < 3 ? ceilDiv(C.mostChunks(), 4) : 3, together = vectors * 4;
  float squares = 0;
  int chunk = self.lane / 8, piece = self.lane % 8; // of each four chunks, and 16 bytes of it
  u32 to = self.activations(chunk) + piece * 4;
  const u32 *from = source + (chunk * C.chunkBlocks + self.warp) * 32 + piece * 4;
  pinned(to);
#pragma unroll 1
  for (int left = chunks - chunk;; left -= together) {
    U32x4 words[vectors];
    pollVectors<vectors>(words, from, 4 * C.chunkBlocks * 32, [&](int i) { return i * 4 < left; });
#pragma unroll
    for (int i = 0; i < vectors; ++i)
      if (i * 4 < left) {
        squares += squaresOf(words[i]);
        u32 at = to + i * 4 * C.activationBytes();
        storeShared(at, words[i].x);
        storeShared(at + 32, words[i].y);
        storeShared(at + 64, words[i].z);
        storeShared(at + 96, words[i].w);
      }
    if ((chunks -= together) <= 0)
      break;
    from += together * C.chunkBlocks * 32;
    to += together * C.activationBytes();
  }
  __syncwarp();
  return squares;
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
  self.openRound();
  bool norm = op == int(StepOp::Qkv) || op == int(StepOp::GateUp);
  if (norm)
    barrierWaitBounded(self.sums.squaresEmpty(), op != int(StepOp::GateUp));
  StepTiles<C> way(self, tiles, chunks);
  u32 squaresAt = self.shared + C.squaresAt() + (self.warp * 32 + self.lane) * 4;
  pinned(squaresAt);
  float squares = fetchActivations<C>(self, source, chunks);
#pragma unroll
  for (int i = 0; i < C.preload; ++i)
    if (i < total) {
      way.multiply(a[i]);
      if (i == 0 && norm) { // while the first products are on their way
        storeShared(squaresAt, __float_as_uint(squares));
        barrierArrive(self.sums.squaresFull());
      }
      way.advance();
    }
#pragma unroll 1
  for (int i = C.preload; i < total; ++i) {
    U32x4 b[4];
    self.loadBlock(b, self.wait());
    way.multiply(b);
    self.release();
    way.advance();
  }
}

} // namespace sinter::cuda
