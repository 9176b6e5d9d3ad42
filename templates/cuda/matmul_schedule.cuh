// SPDX-License-Identifier: Apache-2.0
// Who multiplies what. Clusters ("workers") take tiles in turn; the CTAs of a cluster share the columns of its tile.
#pragma once
#include "templates/cuda/layout.h"
#include "templates/cuda/matmul_config.h"
#include "templates/cuda/ptx/types.cuh"
#include "templates/cuda/shares.cuh"

namespace sinter::cuda {

/// This CTA's place in the grid.
struct MatmulCta {
  int worker;
  u32 rank; ///< in the cluster
};

/// The tiles of a step: `whole` ones of `size` rows of x, then the rest, each cut into `parts`.
struct MatmulCut {
  int bands, size, tokenTiles, whole, parts, count;
};

/// The cut for `tokens` rows into tiles of `size`; the last round of tiles of all workers is cut further where that
/// makes it shorter. `time`: of the longest worker, in about 10 ns.
template <MatmulConfig C>
__device__ __forceinline__ MatmulCut cutInto(int bands, int size, int tokens, int &time) {
  // Per block and per tile, measured. Small tiles wait for memory: they bring more bytes for what they multiply.
  auto cost = [](int rows) {
    return rows == 256   ? C.blocks() * 68 + 250
           : rows == 192 ? C.blocks() * 49 + 200
           : rows == 160 ? C.blocks() * 83 + 300
           : rows == 128 ? C.blocks() * 40 + 150
                         : C.blocks() * 36 + 100;
  };
  bool halves = size == 256 || size == 128; // the sizes that halves of have tiles
  int tokenTiles = (tokens + size - 1) / size, tiles = C.rowTiles(bands) * tokenTiles;
  int rest = tiles % C.workers(), rounds = tiles / C.workers(), parts = 1, least = 0;
  if (rest) {
    least = cost(size);
    for (int p = 2; halves && size / p >= 64; p *= 2)
      if (int t = (rest * p + C.workers() - 1) / C.workers() * cost(size / p); t < least) {
        least = t;
        parts = p;
      }
  }
  time = rounds * cost(size) + least;
  return {bands, size, tokenTiles, tiles - rest, parts, tiles - rest + rest * parts};
}

/// Unless the kernel adapts to the step, all rows of its bucket are multiplied, so that what to load is known before
/// the step is.
template <MatmulConfig C>
__device__ __forceinline__ MatmulCut cutOf(int tokens) {
  if constexpr (!C.adaptive) {
    constexpr int tokenTiles = ceilDiv(C.tokens, C.tileTokens);
    return {C.bands, C.tileTokens, tokenTiles, C.maxTiles(), 1, C.maxTiles()};
  } else {
    int least = 0;
    MatmulCut best = cutInto<C>(1, 256, tokens, least);
    auto consider = [&](int bands, int size) {
      int time;
      MatmulCut cut = cutInto<C>(bands, size, tokens, time);
      if (time < least) {
        least = time;
        best = cut;
      }
    };
    consider(1, 192);
    consider(1, 128);
    consider(2, C.wideTokens);
    return best;
  }
}

/// A tile: its first row of the packed weight and of x, how many of x, and the bands of each warpgroup.
struct MatmulTile {
  int row, token, size, bands;
};

template <MatmulConfig C>
__device__ __forceinline__ MatmulTile tileOf(const MatmulCut &cut, int index) {
  constexpr int groupTokens = 8; // tiles of tokens that are multiplied by the same weights in turn
  int part = 0, size = cut.size, bands = C.adaptive ? cut.bands : C.bands;
  if (C.adaptive && index >= cut.whole) {
    int past = index - cut.whole;
    part = past % cut.parts;
    index = cut.whole + past / cut.parts;
    size /= cut.parts;
  }
  int groupTiles = groupTokens * C.rowTiles(bands), group = index / groupTiles, at = index - group * groupTiles;
  int first = group * groupTokens, width = cut.tokenTiles - first < groupTokens ? cut.tokenTiles - first : groupTokens;
  return {at / width * C.tileWeights(bands), (first + at % width) * cut.size + part * size, size, bands};
}

/// The blocks that a CTA has of its tiles.
template <MatmulConfig C>
__device__ __forceinline__ Share matmulSliceOf(u32 rank) {
  if constexpr (C.split == 1)
    return {0, C.blocks()};
  return shareOf<C.blocks(), C.split>(int(rank));
}

} // namespace sinter::cuda
