// SPDX-License-Identifier: Apache-2.0
// The loading half of the matmul of some hundred rows: one thread that brings 64 columns of a tile at a time: its rows
// of x, and a part of the weights to all CTAs of the cluster.
#pragma once
#include "templates/cuda/matmul_squares.cuh"
#include "templates/cuda/matmul_tokens_config.h"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/cluster.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

/// A CTA's place in its cluster, and its tile's first row of the packed weight and of x.
template <MatmulTokensConfig C>
struct TokensTile {
  int rank, row, token;

  __device__ __forceinline__ TokensTile() {
    int cluster = int(blockIdx.x) / C.share;
    rank = C.share > 1 ? int(clusterRank()) : 0;
    row = cluster % C.rowTiles() * C.tileWeights;
    token = (cluster / C.rowTiles() * C.share + rank) * C.tileTokens;
  }
};

/// The ring of stages: weights, then rows of x. A slot is empty when all CTAs of the cluster are done with theirs.
template <MatmulTokensConfig C>
struct TokensRing {
  u32 base; ///< of the kernel's shared memory

  __device__ __forceinline__ u32 weights(u32 i) const { return base + i * C.stageBytes(); }
  __device__ __forceinline__ u32 activations(u32 i) const { return weights(i) + C.weightBytes(); }
  __device__ __forceinline__ u32 full(u32 i) const { return base + C.barriersAt() + i * 8; }
  __device__ __forceinline__ u32 empty(u32 i) const { return full(C.stages + i); }
  /// The squares of the rows of x are there; their factors are.
  __device__ __forceinline__ u32 squaresFull() const { return full(2 * C.stages); }
  __device__ __forceinline__ u32 factorsFull() const { return full(2 * C.stages + 1); }

  /// By one thread, before a barrierInitFence() and a barrier of the cluster.
  __device__ void init() const {
    for (int i = 0; i < C.stages; ++i) {
      barrierInit(full(i), 1);
      barrierInit(empty(i), C.share * C.consumers / 32);
    }
    barrierInit(squaresFull(), 1);
    barrierInit(factorsFull(), 32);
  }
};

template <MatmulTokensConfig C>
struct TokensLoader {
  TokensRing<C> ring;
  const void *activationsMap, *weightsMap;
  const float *squares; ///< of x, as squaresAt() has them
  TokensTile<C> tile;
  u64 policy;

  /// Copies that bring what there can be of the tile's rows of x; what is left out is garbage that nobody stores.
  __device__ __forceinline__ int boxes() const {
    int left = ceilDiv(C.tokens - tile.token, C.boxTokens());
    constexpr int most = C.tileTokens / C.boxTokens();
    return left < 0 ? 0 : left < most ? left : most;
  }

  /// Lets a stage wait for all of it, and orders this CTA's part of its weights.
  __device__ __forceinline__ void loadWeights(u32 slot, int block) const {
    barrierArriveExpect(ring.full(slot), C.weightBytes() + boxes() * C.boxTokens() * atomColumns * 2);
    u32 target = ring.weights(slot) + tile.rank * (C.weightBytes() / C.share);
    int first = tile.row / tileRows, row = 0;
    if constexpr (C.boxRows() == tileRows) {
      first += tile.rank * C.boxTiles();
    } else {
      first += tile.rank / 2 * C.boxTiles();
      row = tile.rank % 2 * atomRows;
    }
    if constexpr (C.share > 1)
      tensorCopyAll4(target, weightsMap, 0, row, block, first, ring.full(slot), u16((1 << C.share) - 1), policy);
    else
      tensorCopy4(target, weightsMap, 0, row, block, first, ring.full(slot), policy);
  }

  __device__ __forceinline__ void loadActivations(u32 slot, int block) const {
    for (int i = 0; i < boxes(); ++i)
      tensorCopy2(ring.activations(slot) + i * C.boxTokens() * atomColumns * 2, activationsMap, block * atomColumns,
                  tile.token + i * C.boxTokens(), ring.full(slot));
  }

  /// The squares of the tile's rows, as far as a step of this size has them.
  __device__ __forceinline__ void loadSquares() const {
    int left = ceilDiv(C.tokens, squareRows) - tile.token / squareRows, most = C.tileTokens / squareRows;
    u32 bytes = u32((left < 0 ? 0 : left < most ? left : most) * squareRows * C.blocks() * 4);
    barrierArriveExpect(ring.squaresFull(), bytes);
    if (bytes)
      bulkCopy(ring.base + C.squaresAt(), squares + squaresAt(tile.token, 0, C.blocks()), bytes, ring.squaresFull());
  }

  /// Asks for the first weights before x is there: for a few, since x would wait behind them.
  __device__ __forceinline__ void run() const {
    constexpr int most = C.stages < 4 ? C.stages : 4, ahead = most < C.blocks() ? most : C.blocks();
#pragma unroll 1
    for (int block = 0; block < ahead; ++block)
      loadWeights(block, block);
    waitForPrerequisites();
    if constexpr (C.norm)
      loadSquares();
#pragma unroll 1
    for (int block = 0; block < ahead; ++block)
      loadActivations(block, block);
    RingPlace<C.stages> next{ahead % C.stages, ahead < C.stages};
#pragma unroll 1
    for (int block = ahead; block < C.blocks(); ++block, next.advance()) {
      barrierWait(ring.empty(next.slot), next.parity);
      loadWeights(next.slot, block);
      loadActivations(next.slot, block);
    }
  }
};

} // namespace sinter::cuda
