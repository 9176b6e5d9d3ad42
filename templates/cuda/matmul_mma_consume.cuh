// SPDX-License-Identifier: Apache-2.0
// What a warp of the portable matmul makes of a stage: fragments by ldmatrix, mma.sync with 16 rows of the weight by 8
// tokens. With a norm, the squares of activations are summed on their way, and those multiplied by its weight.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/matmul_mma_load.cuh"
#include "templates/cuda/ptx/matrix.cuh"

namespace sinter::cuda {

/// A warp's place in the block's tile.
struct MatmulMmaWarp {
  int row, token, split;
};

template <MatmulMmaConfig C>
__device__ __forceinline__ MatmulMmaWarp warpOf() {
  int warp = int(threadIdx.x / 32);
  return {warp % C.warpRows, warp / C.warpRows % C.warpTokens, warp / (C.warpRows * C.warpTokens)};
}

/// Sums of a warp's tile: lane l has, of each mma, rows l / 4 and l / 4 + 8 of tokens 2 (l % 4) and the next.
/// `squares`: of x over this lane's columns, for token l / 4 of each eight.
template <MatmulMmaConfig C>
struct MatmulMmaSums {
  float sums[C.rowTiles][C.tokenTiles][4];
  float squares[C.norm ? C.tokenTiles : 1];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int r = 0; r < C.rowTiles; ++r)
#pragma unroll
      for (int t = 0; t < C.tokenTiles; ++t)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          sums[r][t][i] = 0;
#pragma unroll
    for (float &square : squares)
      square = 0;
  }
};

/// Activations of 16 columns as the second operand: [8 tokens][columns 0 to 7, columns 8 to 15]. `block`: where the
/// block of columns starts, at the warp's first token.
template <MatmulMmaConfig C>
__device__ __forceinline__ void loadTokens(u32 (&b)[C.tokenTiles][2], u32 block, int sixteen) {
  int lane = int(threadIdx.x % 32), row = lane % 8;
  u32 piece = u32((sixteen * 2 + lane / 8 % 2) ^ row) * 16;
  if constexpr (C.tokenTiles == 1) {
    U32x2 v = loadTwoMatrices(block + row * 128 + piece);
    b[0][0] = v.x, b[0][1] = v.y;
  } else {
#pragma unroll
    for (int t = 0; t < C.tokenTiles; t += 2) {
      U32x4 v = loadMatrices(block + ((t + lane / 16) * 8 + row) * 128 + piece);
      b[t][0] = v.x, b[t][1] = v.y, b[t + 1][0] = v.z, b[t + 1][1] = v.w;
    }
  }
}

/// x * w for a pair of activations, rounded to bfloat16; adds the squares of x.
__device__ __forceinline__ u32 scaleAndSquare(u32 x, float w0, float w1, float &squares) {
  squares += squaresOf(x);
  return toBf16Pair(lowBf16(x) * w0, highBf16(x) * w1);
}

/// `weight`: of these 16 columns.
template <MatmulMmaConfig C>
__device__ __forceinline__ void scaleTokens(u32 (&b)[C.tokenTiles][2], float *squares, const float *weight) {
  int column = int(threadIdx.x % 4) * 2;
  float w0 = weight[column], w1 = weight[column + 1], w8 = weight[column + 8], w9 = weight[column + 9];
#pragma unroll
  for (int t = 0; t < C.tokenTiles; ++t) {
    b[t][0] = scaleAndSquare(b[t][0], w0, w1, squares[t]);
    b[t][1] = scaleAndSquare(b[t][1], w8, w9, squares[t]);
  }
}

template <MatmulMmaConfig C>
__device__ __forceinline__ void squareTokens(const u32 (&b)[C.tokenTiles][2], float *squares) {
#pragma unroll
  for (int t = 0; t < C.tokenTiles; ++t)
#pragma unroll
    for (u32 x : b[t])
      squares[t] += squaresOf(x);
}

/// Adds this warp's share of a stage.
template <MatmulMmaConfig C>
__device__ __forceinline__ void consumeStage(MatmulMmaSums<C> &to, const char *stage, int step, MatmulMmaWarp warp) {
  int lane = int(threadIdx.x % 32);
  // Of the weight's 16 x 16: rows 0-7 and 8-15 are atoms of their own, lanes from 16 on ask for columns 8 to 15.
  u32 weights = sharedAddress(stage) + warp.row * C.rowTiles * C.stageBlocks * blockBytes + lane / 8 % 2 * atomBytes +
                lane % 8 * 128;
  constexpr int unrolled = C.rowTiles * C.tokenTiles < 32 ? 4 : 2; // where registers are scarce, fewer addresses
  u32 tokens = sharedAddress(stage) + C.stageWeights() + warp.token * C.tokenTiles * 8 * 128;
#pragma unroll
  for (int block = warp.split, i = 0; i < C.stageBlocks / C.warpSplits; ++i, block += C.warpSplits) {
    if (C.blocks() % C.stageBlocks && step * C.stageBlocks + block >= C.blocks())
      break;
#pragma unroll unrolled
    for (int sixteen = 0; sixteen < 4; ++sixteen) {
      u32 b[C.tokenTiles][2];
      loadTokens<C>(b, tokens + block * C.tileTokens() * 128, sixteen);
      if constexpr (C.norm && !C.normWeight)
        squareTokens<C>(b, to.squares);
      if constexpr (C.normWeight)
        scaleTokens<C>(b, to.squares,
                       reinterpret_cast<const float *>(stage + C.stageWeights() + C.stageActivations()) +
                           block * blockColumns + sixteen * 16);
#pragma unroll
      for (int r = 0; r < C.rowTiles; ++r) {
        U32x4 a = loadMatrices(weights + (r * C.stageBlocks + block) * blockBytes +
                               ((sixteen * 2 + lane / 16) ^ lane % 8) * 16);
#pragma unroll
        for (int t = 0; t < C.tokenTiles; ++t)
          mma(to.sums[r][t], a, b[t][0], b[t][1]);
      }
    }
  }
}

} // namespace sinter::cuda
