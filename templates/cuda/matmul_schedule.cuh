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

/// Which weights and tokens a tile has, in tiles.
struct MatmulPlace {
  int row, token;
};

/// The tiles of a step, of `Tokens` rows of x each.
template <MatmulConfig C, int Tokens>
struct MatmulTiles {
  static constexpr int groupTokens = 8; ///< tiles of tokens that are multiplied by the same weights in turn
  static constexpr int fixedTokenTiles = ceilDiv(C.tokens, Tokens);
  int tokenTiles;

  /// For `tokens` rows. Unless the kernel adapts to them, all rows of its bucket are multiplied, so that what to load
  /// is known before the step is.
  __device__ __forceinline__ explicit MatmulTiles(int tokens) {
    tokenTiles = C.adaptive ? (tokens + Tokens - 1) / Tokens : fixedTokenTiles;
  }
  __device__ __forceinline__ int count() const { return C.rowTiles() * tokenTiles; }

  __device__ __forceinline__ MatmulPlace placeOf(int tile) const {
    if constexpr (!C.adaptive && fixedTokenTiles <= groupTokens)
      return {tile / fixedTokenTiles, tile % fixedTokenTiles};
    int group = tile / (groupTokens * C.rowTiles()), at = tile - group * groupTokens * C.rowTiles();
    int first = group * groupTokens, width = tokenTiles - first < groupTokens ? tokenTiles - first : groupTokens;
    return {at / width, first + at % width};
  }
};

/// The blocks that a CTA has of its tiles.
template <MatmulConfig C>
__device__ __forceinline__ Share matmulSliceOf(u32 rank) {
  return shareOf<C.blocks(), C.split>(int(rank));
}

/// How many rows of x a tile has is chosen so that the last round of tiles is as full as can be; smaller ones read more
/// from L2 for what they multiply.
template <MatmulConfig C>
__device__ __forceinline__ int adaptedTokens(int tokens) {
  int best = 0, least = 1 << 30;
#pragma unroll
  for (int size = 256; size >= 128; size -= 64) {
    int tiles = C.rowTiles() * ((tokens + size - 1) / size);
    int cost = ceilDiv(tiles, C.workers()) * (size == 256 ? 272 : size == 192 ? 212 : 160);
    if (cost < least) {
      least = cost;
      best = size;
    }
  }
  return best;
}

} // namespace sinter::cuda
