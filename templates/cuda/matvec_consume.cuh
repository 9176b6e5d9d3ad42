// SPDX-License-Identifier: Apache-2.0
// The consuming half of a matvec: weights from the ring, activations from shared memory, tensor cores, epilogue.
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

/// The tiles of `range`. x, residual and y are touched only here: earlier kernels have to be complete.
/// `gathered` is a barrier in shared memory that expects one arrival from each CTA of the cluster.
template <MatvecConfig C>
__device__ void matvecConsume(MatvecReader<C> &reader, const MatvecArgs &args, char *shared, u32 gathered,
                              MatvecRange range) {
  constexpr MatvecPlan P = planOf(C);
  constexpr int columns = ceilDiv(C.tokens, 8);
  int lane = int(threadIdx.x % 32);
  loadActivations<C>(shared, args, range.rank);
  u32 activations = sharedAddress(shared) + P.activations + lane / 4 * P.activationStride + lane % 4 * 16;
  MatvecSlice slice = sliceOf<C>(range.rank);
  float factor[P.threadEntries];
  int partialBuffer = 0, groups = 0;
  for (int group = range.begin; group < range.end; group += P.groupTiles, ++groups) {
    int tiles = range.end - group < P.groupTiles ? range.end - group : P.groupTiles;
    MatvecEntry entry[P.threadEntries];
    long at[P.threadEntries];
    float residual[P.threadEntries];
#pragma unroll
    for (int i = 0; i < P.threadEntries; ++i) {
      entry[i] = entryOf<C>(i * C.consumers() + int(threadIdx.x));
      int column = columnOf<C>(group + entry[i].tile, entry[i].output, range.rank);
      at[i] = entry[i].tile < tiles && column < C.n ? long(entry[i].token) * C.n + column : -1;
      residual[i] = 0;
      if (C.epilogue == MatvecEpilogue::Residual && at[i] >= 0)
        residual[i] = loadResidual<C>(args, at[i]);
    }
    if (group == range.begin)
      namedBarrier(1, C.consumers()); // activations and squares are in place
    for (int tile = 0; tile < tiles; ++tile, partialBuffer ^= 1) {
      TileSums<columns> sums;
      consumeTile<C>(reader, sums, activations, slice);
      storePartials<C>(shared, partialBuffer, sums.part[0]);
      namedBarrier(1, C.consumers());
      if constexpr (C.split > 1)
        sendToPeers<C>(shared, partialBuffer, groups % 2, tile, range.rank);
    }
    if constexpr (C.split > 1) {
      if (C.norm && group == range.begin)
        sendSquares<C>(shared, range.rank);
      namedBarrier(1, C.consumers());
      if (threadIdx.x < u32(C.split))
        barrierArrivePeer(peerAddress(gathered, threadIdx.x));
      barrierWaitCluster(gathered, groups % 2);
    }
#pragma unroll
    for (int i = 0; i < P.threadEntries; ++i) {
      if (group == range.begin)
        factor[i] = C.norm && entry[i].token < C.tokens ? normFactor<C>(shared, entry[i].token) : 1.0f;
      if (at[i] >= 0)
        finish<C>(shared, args, C.split == 1 ? partialBuffer ^ 1 : groups % 2, entry[i], at[i], factor[i], residual[i]);
    }
  }
}

} // namespace sinter::cuda
