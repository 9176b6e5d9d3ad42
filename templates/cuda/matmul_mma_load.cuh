// SPDX-License-Identifier: Apache-2.0
// The order in which a block of the portable matmul goes through its tiles, and the copies that fill a stage of its
// ring: weights as they lie in memory, activations in the same atoms of 8 rows x 64 columns.
#pragma once
#include "templates/cuda/layout.h"
#include "templates/cuda/matmul_args.cuh"
#include "templates/cuda/matmul_mma_config.h"
#include "templates/cuda/ptx/copy.cuh"

namespace sinter::cuda {

/// A place in the sequence of stages that a block loads and, later, consumes.
struct MatmulMmaCursor {
  int tile;                  ///< counts over all blocks
  int step;                  ///< of that tile
  int weightTile, tokenTile; ///< of that tile
};

/// Tiles are ordered so that those worked on at one time share weights and activations in L2: groups of 16 tiles of
/// tokens, in a group tile of weights by tile of weights.
template <MatmulMmaConfig C>
__device__ __forceinline__ void locate(MatmulMmaCursor &at, int tokenTiles) {
  if constexpr (C.mostTokenTiles() == 1) {
    at.weightTile = at.tile;
    at.tokenTile = 0;
  } else {
    constexpr int groupTokens = 16;
    int first = at.tile / (groupTokens * C.weightTiles()) * groupTokens;
    int size = min(groupTokens, tokenTiles - first), rest = at.tile - first * C.weightTiles();
    at.weightTile = rest / size;
    at.tokenTile = first + rest % size;
  }
}

/// Whether there is such a tile; if not, the block is done.
template <MatmulMmaConfig C>
__device__ __forceinline__ bool exists(const MatmulMmaCursor &at, int tokenTiles) {
  return at.tile < C.weightTiles() * tokenTiles;
}

template <MatmulMmaConfig C>
__device__ __forceinline__ MatmulMmaCursor firstCursor(int tokenTiles) {
  MatmulMmaCursor at{int(blockIdx.x), 0, 0, 0};
  if (exists<C>(at, tokenTiles))
    locate<C>(at, tokenTiles);
  return at;
}

template <MatmulMmaConfig C>
__device__ __forceinline__ void nextTile(MatmulMmaCursor &at, int tokenTiles) {
  at.step = 0;
  at.tile += C.grid();
  if (exists<C>(at, tokenTiles))
    locate<C>(at, tokenTiles);
}

template <MatmulMmaConfig C>
__device__ __forceinline__ void nextStep(MatmulMmaCursor &at, int tokenTiles) {
  if (++at.step == C.steps())
    nextTile<C>(at, tokenTiles);
}

/// Asks for the weights of a stage: [tile of 16 rows][block][2 KiB]. What lies past the matrix is left as it is: no
/// output depends on it.
template <MatmulMmaConfig C>
__device__ __forceinline__ void loadWeights(u32 stage, const MatmulArgs &args, const MatmulMmaCursor &at) {
  constexpr int tilePieces = C.stageBlocks * blockBytes / 16, pieces = C.tileRowTiles() * tilePieces;
  int firstTile = at.weightTile * C.tileRowTiles(), firstBlock = at.step * C.stageBlocks;
#pragma unroll
  for (int round = 0; round < ceilDiv(pieces, C.threads()); ++round) {
    int i = round * C.threads() + int(threadIdx.x);
    int tile = firstTile + i / tilePieces, piece = i % tilePieces;
    if (i < pieces && tile < C.weightRowTiles() && firstBlock + piece / (blockBytes / 16) < C.blocks())
      asyncCopy(stage + i * 16, args.weight + ((long long)tile * C.blocks() + firstBlock) * blockBytes + piece * 16,
                16);
  }
}

/// Asks for the activations of a stage, [block][token][64] with the 16-byte pieces of a token's 64 swizzled, and for
/// the norm's weight. Rows from `count` on and columns past k become zeros.
template <MatmulMmaConfig C>
__device__ __forceinline__ void loadActivations(u32 stage, const MatmulArgs &args, const MatmulMmaCursor &at,
                                                int count) {
  constexpr int rowPieces = C.stageBlocks * 8, pieces = C.tileTokens() * rowPieces;
  u32 target = stage + C.stageWeights();
  int firstToken = at.tokenTile * C.tileTokens(), firstColumn = at.step * C.stageBlocks * blockColumns;
#pragma unroll
  for (int round = 0; round < ceilDiv(pieces, C.threads()); ++round) {
    int i = round * C.threads() + int(threadIdx.x);
    int row = i / rowPieces, piece = i % rowPieces, column = firstColumn + piece * 8;
    bool inside = firstToken + row < count && column < C.k;
    const u16 *from = args.x + (inside ? (long long)(firstToken + row) * C.k + column : 0);
    if (i < pieces)
      asyncCopy(target + (piece / 8 * C.tileTokens() + row) * 128 + (piece % 8 ^ row % 8) * 16, from, inside ? 16 : 0);
  }
  if constexpr (C.normWeight)
    for (int i = int(threadIdx.x); i < C.stageNorm() / 16; i += C.threads()) {
      int column = firstColumn + i * 4;
      asyncCopy(target + C.stageActivations() + i * 16, args.normWeight + (column < C.k ? column : 0),
                column < C.k ? 16 : 0);
    }
}

} // namespace sinter::cuda
