// SPDX-License-Identifier: Apache-2.0
// From a tile's sums to y. The warps that share a tile's columns meet in shared memory, in a fixed order; the first of
// them applies the norm's factor, bias, SwiGLU or residual, and stores. An 8 x 8 of bfloat16 is transposed between the
// lanes for that, so that a lane has neighbouring outputs of one token.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/matmul_args.cuh"
#include "templates/cuda/matmul_mma_consume.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// Leaves what the first of the warps that share a tile needs of this one. A barrier has to follow.
template <MatmulMmaConfig C>
__device__ __forceinline__ void publishSums(MatmulMmaSums<C> &own, char *shared, MatmulMmaWarp warp) {
  int lane = int(threadIdx.x % 32);
  if (C.warpSplits > 1 && warp.split > 0) {
    int place = ((warp.split - 1) * C.warpTokens + warp.token) * C.warpRows + warp.row;
    float *to = reinterpret_cast<float *>(shared + C.partialsAt()) + place * C.warpSums() + lane;
#pragma unroll
    for (int i = 0; i < C.warpSums() / 32; ++i)
      to[i * 32] = own.sums[i / 4 / C.tokenTiles][i / 4 % C.tokenTiles][i % 4];
  }
  if constexpr (C.norm) {
    float *to =
        reinterpret_cast<float *>(shared + C.squaresAt()) + warp.split * C.tileTokens() + warp.token * C.tokenTiles * 8;
#pragma unroll
    for (int t = 0; t < C.tokenTiles; ++t) {
      float sum = sumOverQuad(own.squares[t]);
      if (warp.row == 0 && lane % 4 == 0)
        to[t * 8 + lane / 4] = sum;
    }
  }
}

template <MatmulMmaConfig C>
__device__ __forceinline__ void addPartials(MatmulMmaSums<C> &own, const char *shared, MatmulMmaWarp warp) {
#pragma unroll
  for (int split = 1; split < C.warpSplits; ++split) {
    int place = ((split - 1) * C.warpTokens + warp.token) * C.warpRows + warp.row;
    const float *from =
        reinterpret_cast<const float *>(shared + C.partialsAt()) + place * C.warpSums() + threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < C.warpSums() / 32; ++i)
      own.sums[i / 4 / C.tokenTiles][i / 4 % C.tokenTiles][i % 4] += from[i * 32];
  }
}

/// Multiplies the sums by the factors of RMSNorm.
template <MatmulMmaConfig C>
__device__ __forceinline__ void applyFactors(MatmulMmaSums<C> &own, const char *shared, MatmulMmaWarp warp) {
  const float *squares = reinterpret_cast<const float *>(shared + C.squaresAt());
#pragma unroll
  for (int t = 0; t < C.tokenTiles; ++t)
#pragma unroll
    for (int odd = 0; odd < 2; ++odd) {
      int token = (warp.token * C.tokenTiles + t) * 8 + int(threadIdx.x % 4) * 2 + odd;
      float sum = 0;
#pragma unroll
      for (int split = 0; split < C.warpSplits; ++split)
        sum += squares[split * C.tileTokens() + token];
      float factor = normFactor(sum, C.k, C.eps);
#pragma unroll
      for (int r = 0; r < C.rowTiles; ++r) {
        own.sums[r][t][odd] *= factor;
        own.sums[r][t][2 + odd] *= factor;
      }
    }
}

/// An 8 x 8 of y, from row `token` and column `column` on; `low` and `high` are of column lane / 4, tokens 2 (lane % 4)
/// and the next. `residual`: of token lane / 4, columns 2 (lane % 4) and the next.
template <MatmulMmaConfig C>
__device__ __forceinline__ void storeEight(void *y, int token, int column, int count, float low, float high,
                                           u32 residual) {
  int g = int(threadIdx.x % 32 / 4), j = int(threadIdx.x % 4) * 2;
  if constexpr (C.out == Out::F32) {
    float *to = static_cast<float *>(y) + (long long)(token + j) * C.n + column + g;
    if (column + g < C.n && token + j < count)
      to[0] = low;
    if (column + g < C.n && token + j + 1 < count)
      to[C.n] = high;
  } else {
    if constexpr (C.epilogue == Epilogue::Residual) {
      u32 r = transposeMatrix(residual);
      low += lowBf16(r), high += highBf16(r);
    }
    u32 pair = transposeMatrix(toBf16Pair(low, high));
    if (column < C.n && token + g < count)
      *reinterpret_cast<u32 *>(static_cast<u16 *>(y) + (long long)(token + g) * C.n + column + j) = pair;
  }
}

/// The 16 rows `r` of the warp's tile.
template <MatmulMmaConfig C>
__device__ __forceinline__ void storeRows(const MatmulMmaSums<C> &own, const MatmulArgs &args, int r, int rowTile,
                                          int token, int count) {
  constexpr bool adds = C.epilogue == Epilogue::Residual;
  constexpr int outputs = C.gated() ? 8 : tileRows;
  int g = int(threadIdx.x % 32 / 4), j = int(threadIdx.x % 4) * 2, column = rowTile * outputs;
  // All residuals of these rows are asked for before the first is used.
  u32 residual[C.tokenTiles][2] = {};
  if constexpr (adds)
#pragma unroll
    for (int t = 0; t < C.tokenTiles; ++t)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        if (token + t * 8 + g < count && column + half * 8 < C.n)
          residual[t][half] = loadL2(reinterpret_cast<const u32 *>(
              static_cast<const u16 *>(args.residual) + (long long)(token + t * 8 + g) * C.n + column + half * 8 + j));
  float bias = 0, secondBias = 0; // of rows g and g + 8
  if constexpr (C.bias) {
    bias = column + g < C.n ? args.bias[column + g] : 0;
    const float *second = C.gated() ? args.upBias : args.bias + 8;
    secondBias = column + g + (C.gated() ? 0 : 8) < C.n ? second[column + g] : 0;
  }
#pragma unroll
  for (int t = 0; t < C.tokenTiles; ++t) {
    const float(&v)[4] = own.sums[r][t];
    if constexpr (C.gated()) {
      storeEight<C>(args.y, token + t * 8, column, count, silu(v[0] + bias) * (v[2] + secondBias),
                    silu(v[1] + bias) * (v[3] + secondBias), 0);
    } else {
      storeEight<C>(args.y, token + t * 8, column, count, v[0] + bias, v[1] + bias, residual[t][0]);
      storeEight<C>(args.y, token + t * 8, column + 8, count, v[2] + secondBias, v[3] + secondBias, residual[t][1]);
    }
  }
}

/// Ends a tile; all threads of the block.
template <MatmulMmaConfig C>
__device__ __forceinline__ void finishTile(MatmulMmaSums<C> &own, const MatmulArgs &args, char *shared,
                                           MatmulMmaWarp warp, const MatmulMmaCursor &at, int count) {
  if constexpr (C.warpSplits > 1 || C.norm) {
    // The next tile's sums come after the barrier of its first stage, which the first warp reaches when it is done
    // here.
    publishSums<C>(own, shared, warp);
    __syncthreads();
  }
  if (warp.split > 0)
    return;
  addPartials<C>(own, shared, warp);
  if constexpr (C.norm)
    applyFactors<C>(own, shared, warp);
  int token = at.tokenTile * C.tileTokens() + warp.token * C.tokenTiles * 8;
#pragma unroll
  for (int r = 0; r < C.rowTiles; ++r)
    if (int rowTile = at.weightTile * C.tileRowTiles() + warp.row * C.rowTiles + r; rowTile < C.weightRowTiles())
      storeRows<C>(own, args, r, rowTile, token, count);
}

} // namespace sinter::cuda
