// SPDX-License-Identifier: Apache-2.0
// The consuming half of a matvec: weights from the ring, activations from shared memory, tensor cores.
#pragma once
#include "templates/cuda/matvec_epilogue.cuh"

namespace sinter::cuda {

/// Two sums of every 16 x 8 piece of a tile, one for each fragment of a block, so that mmas follow each other
/// unchained.
template <int Columns>
struct TileSums {
  float part[2][Columns][4] = {};

  __device__ __forceinline__ void fold() {
#pragma unroll
    for (int column = 0; column < Columns; ++column)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        part[0][column][i] += part[1][column][i];
  }
};

/// One chunk: `blocks` blocks at `chunk`, of which a warp takes every C.warps-th; `activations` is where the columns of
/// the chunk start for this lane.
template <MatvecConfig C, int Columns>
__device__ __forceinline__ void consumeChunk(TileSums<Columns> &sums, u32 chunk, int blocks, u32 activations) {
  constexpr MatvecPlan P = planOf(C);
  int warp = int(threadIdx.x / 32), lane = int(threadIdx.x % 32), g = lane / 4;
#pragma unroll
  for (int i = 0; i < ceilDiv(P.chunkBlocks, C.warps); ++i) {
    int block = i * C.warps + warp;
    if (block >= blocks)
      break;
    U32x4 a0 = loadShared(chunk + block * blockBytes + lane * 16);
    U32x4 a1 = loadShared(chunk + block * blockBytes + fragmentBytes + lane * 16);
#pragma unroll
    for (int column = 0; column < Columns; ++column) {
      U32x4 x{};
      if (column * 8 + g < C.tokens)
        x = loadShared(activations + column * 8 * P.activationStride + block * blockColumns * 2);
      mma(sums.part[0][column], a0, x.x, x.y);
      mma(sums.part[1][column], a1, x.z, x.w);
    }
  }
}

/// One tile's slice, chunk after chunk.
template <MatvecConfig C, int Columns>
__device__ __forceinline__ void consumeTile(MatvecReader<C> &reader, TileSums<Columns> &sums, u32 activations,
                                            MatvecSlice slice) {
  constexpr MatvecPlan P = planOf(C);
#pragma unroll 1
  for (int chunk = 0, at = 0; chunk < P.chunksPerTile; ++chunk, at += P.chunkBlocks) {
    consumeChunk<C>(sums, reader.wait(), chunkBlocks<C>(slice, at), activations + at * blockColumns * 2);
    reader.release(threadIdx.x % 32);
  }
  sums.fold();
}

/// The tiles of `range`: activations to shared memory, then tile after tile. Touches what earlier kernels wrote.
template <MatvecConfig C>
__device__ void matvecConsume(MatvecReader<C> &reader, const MatvecArgs &args, char *shared, SumBuffers<C> buffers,
                              MatvecRange range) {
  constexpr MatvecPlan P = planOf(C);
  int lane = int(threadIdx.x % 32);
  loadActivations<C>(shared, args, range.rank);
  activationsReady<C>();
  u32 activations = sharedAddress(shared) + P.activations + lane / 4 * P.activationStride + lane % 4 * 16;
  MatvecSlice slice = sliceOf<C>(range.rank);
  for (int tile = range.begin; tile < range.end; ++tile) {
    TileSums<ceilDiv(C.tokens, 8)> sums;
    consumeTile<C>(reader, sums, activations, slice);
    barrierWait(buffers.empty(), buffers.place.parity ^ 1);
    storePartials<C>(shared, int(buffers.place.slot), sums.part[0]);
    barrierArrive(buffers.full());
    buffers.place.advance();
  }
}

} // namespace sinter::cuda
