// SPDX-License-Identifier: Apache-2.0
// The consuming half of a matvec: weights from the ring, activations from shared memory, tensor cores.
#pragma once
#include "templates/cuda/layout.h"
#include "templates/cuda/matmul_args.cuh"
#include "templates/cuda/matvec_epilogue.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/shares.cuh"

namespace sinter::cuda {

/// The mmas of a block are one for every 16 of its 64 columns. With at most 4 tokens their sums are kept apart: see
/// loadTokens(). Else two sums take turns, so that mmas follow each other unchained.
template <MatvecConfig C>
struct TileSums {
  static constexpr int parts = planOf(C).parts;
  static constexpr int count = parts == 1 ? 2 : parts, columns = ceilDiv(C.tokens, 8);
  float part[count][columns][4] = {};

  /// The sums that the mma of columns 16 step .. goes to.
  __device__ static constexpr int partOf(int step) { return parts == 1 ? step % 2 : step * parts / 4; }

  __device__ __forceinline__ void fold() {
    if constexpr (parts == 1)
#pragma unroll
      for (int column = 0; column < columns; ++column)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          part[0][column][i] += part[1][column][i];
  }
};

/// The B operands of a block: `registers` of them are loaded, of which an mma takes two.
///
/// An mma multiplies 8 columns, but a weight needs its token in only one of them, whichever. So with a group of G = 2
/// or 4 tokens, column c has token c % G and the columns of the block that the (c / G)-th part of its mmas need: G
/// matrices of 8 x 8, in place of 8, serve all four. In the sums of a part the other columns are of no use.
template <MatvecConfig C>
struct TokenOperand {
  static constexpr int group = planOf(C).tokenGroup;
  u32 registers[group];

  /// The address, of the slice's first block, of this lane's row of the first matrices it loads.
  __device__ static __forceinline__ u32 rowAddress(u32 shared, int column) {
    int lane = int(threadIdx.x % 32), row = lane % 8, matrix = lane / 8 % (group < 4 ? group : 4);
    int token = column * 8 + row % group;
    return activationAddress<C>(shared, token < C.tokens ? token : C.tokens - 1, row / group * group + matrix);
  }

  __device__ __forceinline__ void load(u32 row) {
    if constexpr (group == 2) {
      U32x2 v = loadTwoMatrices(row);
      registers[0] = v.x, registers[1] = v.y;
    } else {
#pragma unroll
      for (int i = 0; i < group; i += 4) {
        U32x4 v = loadMatrices(row ^ i * 16);
        registers[i] = v.x, registers[i + 1] = v.y, registers[i + 2] = v.z, registers[i + 3] = v.w;
      }
    }
  }
};

/// Where this lane's rows lie: of the weight in a block, for each mma; of the activations, for each 8 tokens. The
/// compiler would work them out anew for every chunk; where there are registers enough, it may not.
template <MatvecConfig C>
struct MatvecLane {
  u32 weight[4], activations[TileSums<C>::columns];

  __device__ __forceinline__ explicit MatvecLane(u32 shared) {
    int lane = int(threadIdx.x % 32), row = lane % 8, atom = lane / 8 % 2;
#pragma unroll
    for (int step = 0; step < 4; ++step)
      weight[step] = atom * atomBytes + 2 * atomIndex(row, (step * 2 + lane / 16) * 8);
#pragma unroll
    for (int column = 0; column < TileSums<C>::columns; ++column)
      activations[column] = TokenOperand<C>::rowAddress(shared, column);
    if constexpr (C.perSm * C.threads() * 96 <= registersPerSm) {
#pragma unroll
      for (u32 &address : weight)
        keepInRegister(address);
#pragma unroll
      for (u32 &address : activations)
        keepInRegister(address);
    }
  }
};

/// One chunk: `blocks` blocks at `chunk`, of which a warp takes every C.warps-th, from block `first` of the slice on.
/// Returns a word that needs all that this warp loaded of them.
template <MatvecConfig C>
__device__ __forceinline__ u32 consumeChunk(TileSums<C> &sums, const MatvecLane<C> &lane, u32 chunk, int blocks,
                                            int first) {
  constexpr MatvecPlan P = planOf(C);
  int warp = int(threadIdx.x / 32);
  u32 loaded = 0;
#pragma unroll
  for (int i = 0; i < ceilDiv(P.chunkBlocks, C.warps); ++i) {
    int block = i * C.warps + warp;
    if (block >= blocks)
      break;
    U32x4 weight[4];
#pragma unroll
    for (int step = 0; step < 4; ++step)
      weight[step] = loadMatrices(chunk + block * blockBytes + lane.weight[step]);
    TokenOperand<C> x[TileSums<C>::columns];
#pragma unroll
    for (int column = 0; column < TileSums<C>::columns; ++column)
      x[column].load(lane.activations[column] + (first + block) * blockColumns * 2);
#pragma unroll
    for (int step = 0; step < 4; ++step)
#pragma unroll
      for (int column = 0; column < TileSums<C>::columns; ++column)
        mma(sums.part[TileSums<C>::partOf(step)][column], weight[step], x[column].registers[2 * step % x[column].group],
            x[column].registers[2 * step % x[column].group + 1]);
    loaded |= weight[0].x | weight[1].x | weight[2].x | weight[3].x;
  }
  return loaded;
}

/// The tiles of `range`, chunk after chunk. Activations are made ready in the course of the first. Waits for earlier
/// kernels.
template <MatvecConfig C>
__device__ void matvecConsume(MatvecReader<C> reader, const MatmulArgs &args, char *shared, SumBarriers<C> barriers,
                              MatvecRange range) {
  constexpr MatvecPlan P = planOf(C);
  u32 base = sharedAddress(shared);
  Share slice = sliceOf<C>(range.rank);
  if constexpr (C.normWeight)
    stageNorm<C>(base, args, slice);
  MatvecLane<C> lane(base);
  WarpActivations<C> activations{base, slice};
  waitForPrerequisites();
  activations.fetchAll(args.x);
  int ready = 0; // chunks that have their activations
  for (int tile = range.begin; tile < range.end; ++tile) {
    TileSums<C> sums;
#pragma unroll 1
    for (int chunk = 0, first = 0; chunk < P.chunksPerTile; ++chunk, first += P.chunkBlocks) {
      if (chunk == ready) {
        ready = activations.makeReady(chunk, reinterpret_cast<float *>(shared + P.squares));
        if (C.norm && ready == P.chunksPerTile)
          barrierArrive(barriers.activations());
      }
      u32 loaded = consumeChunk<C>(sums, lane, reader.wait(), chunkBlocks<C>(slice, first), first);
      reader.release(threadIdx.x % 32, loaded);
    }
    sums.fold();
    if constexpr (C.normWeight) // which other warps may still need, where the sums will be
      barrierWait(barriers.activations(), 0);
    barrierWait(barriers.empty(), barriers.place.parity ^ 1);
    storePartials<C>(shared, int(barriers.place.slot), sums);
    barrierArrive(barriers.full());
    barriers.place.advance();
  }
}

} // namespace sinter::cuda
