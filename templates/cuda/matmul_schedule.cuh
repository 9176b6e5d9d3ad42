// SPDX-License-Identifier: Apache-2.0
// Who multiplies what. The clusters ("workers") of a matmul take whole tiles in turn; where these do not come out even,
// the first tiles are one long row of columns of which every worker gets an equal share, so that a tile may be summed
// by several. Loads and sums walk through the same work in the same order.
#pragma once
#include "templates/cuda/matmul_config.h"
#include "templates/cuda/row_count.cuh"

namespace sinter::cuda {

/// Blocks [first, last) of a tile.
struct MatmulWork {
  int tile, first, last;
  __device__ __forceinline__ int count() const { return last - first; }
};

/// Which weights and tokens a tile has, in tiles.
struct MatmulPlace {
  int row, token;
};

template <MatmulConfig C>
struct MatmulSchedule {
  static constexpr int blocks = C.blocks(), rowTiles = C.rowTiles();
  static constexpr int groupTokens = 8; ///< tiles of tokens that are multiplied by the same weights in turn
  static constexpr bool single = C.tokens <= C.tileTokens;
  int tokenTiles, tiles;
  int splitTiles; ///< shared by columns
  int sharers;    ///< workers that share them

  /// For `tokens` rows; with a single tile of them the schedule is the same whatever their number.
  __device__ __forceinline__ explicit MatmulSchedule(int tokens) {
    tokenTiles = single ? 1 : (tokens + C.tileTokens - 1) / C.tileTokens;
    tiles = rowTiles * tokenTiles;
    int full = tiles / C.workers(), rest = tiles % C.workers();
    bool even = rest == 0 || rest * 10 >= C.workers() * 9;
    splitTiles = even || full > C.splitWaves ? 0 : full ? C.workers() + rest : rest;
    int shares = splitTiles * blocks / C.shareBlocks;
    sharers = shares < 1 ? 1 : shares < C.workers() ? shares : C.workers();
  }

  /// The first block of a sharer's share, counted over all shared tiles.
  __device__ __forceinline__ int boundary(int sharer) const {
    int all = splitTiles * blocks, at = all * sharer / sharers;
    if (all < 4 * C.snapBlocks() * sharers)
      return at;
    int past = at % blocks;
    return past < C.snapBlocks() ? at - past : blocks - past < C.snapBlocks() ? at + blocks - past : at;
  }

  /// The sharer that has block `at`.
  __device__ __forceinline__ int sharerOf(int at) const {
    int sharer = at / blocks * sharers / splitTiles;
    while (sharer > 0 && boundary(sharer) > at)
      --sharer;
    while (boundary(sharer + 1) <= at)
      ++sharer;
    return sharer;
  }

  __device__ __forceinline__ MatmulPlace placeOf(int tile) const {
    if (single)
      return {tile, 0};
    int group = tile / (groupTokens * rowTiles), at = tile - group * groupTokens * rowTiles;
    int first = group * groupTokens, width = tokenTiles - first < groupTokens ? tokenTiles - first : groupTokens;
    return {at / width, first + at % width};
  }
};

/// A worker's work in order: its share, then whole tiles.
template <MatmulConfig C>
struct MatmulWalk {
  int at, end; ///< blocks of the share
  int tile;    ///< the next whole one

  __device__ __forceinline__ MatmulWalk(const MatmulSchedule<C> &schedule, int worker) {
    bool shares = schedule.splitTiles > 0 && worker < schedule.sharers;
    at = shares ? schedule.boundary(worker) : 0;
    end = shares ? schedule.boundary(worker + 1) : 0;
    tile = schedule.splitTiles + worker;
  }

  /// The next part of the share.
  __device__ __forceinline__ bool nextShared(MatmulWork &work) {
    if (at >= end)
      return false;
    work.tile = at / C.blocks();
    work.first = at - work.tile * C.blocks();
    work.last = work.first + end - at < C.blocks() ? work.first + end - at : C.blocks();
    at += work.count();
    return true;
  }

  __device__ __forceinline__ bool next(const MatmulSchedule<C> &schedule, MatmulWork &work) {
    if (nextShared(work))
      return true;
    if (tile >= schedule.tiles)
      return false;
    work = {tile, 0, C.blocks()};
    tile += C.workers();
    return true;
  }
};

template <MatmulConfig C>
__device__ __forceinline__ bool isWhole(const MatmulWork &work) {
  return work.first == 0 && work.last == C.blocks();
}

} // namespace sinter::cuda
