// SPDX-License-Identifier: Apache-2.0
// The matmuls of a resident step, by the consuming warps. Before an operation's activations are there, its first
// weights are in registers; each warp then multiplies them with the activations of its own columns.
//
// An mma multiplies 8 columns, one token needs one: all eight get the same activations, so that every lane has sums of
// whole rows, and none have to be added across lanes.
//
// All operations run through the same code: what is unrolled for each would not fit the instruction cache.
#pragma once
#include "templates/cuda/decode_step_activations.cuh"
#include "templates/cuda/ptx/matrix.cuh"

namespace sinter::cuda {

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
    keepInRegister(begin), keepInRegister(end), keepInRegister(to);
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

/// The tiles of operation `op` that this SM has. `source`: its activations in the exchange.
template <DecodeStepConfig C>
__device__ __forceinline__ void consumeTiles(StepConsumer<C> &self, int op, const u32 *source, int tiles) {
  if (tiles == 0)
    return;
  self.pin();
  int chunks = stepChunks<C>(op), total = tiles * chunks;
  U32x4 a[C.preload][4];
  RingPlace<C.slots> place = self.place;
#pragma unroll
  for (int i = 0; i < C.preload; ++i)
    if (i < total) {
      self.loadBlock(a[i], self.wait(place));
      place.advance();
    } else { // or they would live from one operation to the next
      a[i][0] = a[i][1] = a[i][2] = a[i][3] = {};
    }
#pragma unroll
  for (int i = 0; i < C.preload; ++i)
    if (i < total)
      self.release(a[i]);
  self.openRound();
  bool norm = op == int(StepOp::Qkv) || op == int(StepOp::GateUp);
  if (norm)
    barrierWaitBounded(self.sums.squaresEmpty(), op != int(StepOp::GateUp));
  StepTiles<C> way(self, tiles, chunks);
  u32 squaresAt = self.shared + C.squaresAt() + (self.warp * 32 + self.lane) * 4;
  keepInRegister(squaresAt);
  StepActivations<C> activations(self, source, chunks);
  float squares = activations.fetch(chunks);
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
    self.release(b);
    way.advance();
  }
}

} // namespace sinter::cuda
