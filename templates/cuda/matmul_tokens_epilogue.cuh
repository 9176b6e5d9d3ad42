// SPDX-License-Identifier: Apache-2.0
// From sums to y, where rows of x are the rows of wgmma's product: a warp turns its 16 rows of y around in shared
// memory, in place of the ring, so that y is written in whole sectors.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/matmul_tokens_load.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// What a thread does with its sums: rows g and g + 8 of its warp's 16, columns 8 i + 2 j and the next.
template <MatmulTokensConfig C>
struct TokensOutput {
  static constexpr int groups = C.tileWeights / 8, own = C.ownRows() / 8; ///< of 8 rows of the weight: summed, finished
  static constexpr bool adds = C.epilogue == Epilogue::Residual;
  const float *bias, *upBias;
  const u16 *residual;
  float *squares; ///< of y, as squaresAt() has them
  u16 *y;
  TokensRing<C> ring;
  int tokens, half, row, place; ///< the tile's first row of the packed weight; the warp's first row of x in the tile
  int token, firstGroup;        ///< the warp's first row of x; the first group that it finishes
  float factor[2];              ///< of a norm, of both rows
  u32 added[adds ? own : 1][2];

  template <int N>
  __device__ __forceinline__ TokensOutput(const rt::CudaArgs<N> &args, const TokensRing<C> &ring, int tokens,
                                          const TokensTile<C> &tile, int half)
      : bias(args.template get<const float>(4)), upBias(args.template get<const float>(5)),
        residual(args.template get<const u16>(6)), squares(C.squares ? args.template get<float>(3) : nullptr),
        y(args.template get<u16>(2)), ring(ring), tokens(tokens), half(half), row(tile.row),
        place((C.halves() ? 0 : half * C.bands() * 64) + int(threadIdx.x % 128) / 32 * 16), token(tile.token + place),
        firstGroup(C.halves() ? half * own : 0) {}

  __device__ __forceinline__ static int lane() { return int(threadIdx.x % 32); }
  /// The column of y that the `i`th piece of 8 starts with, of those that this warp finishes.
  __device__ __forceinline__ int columnOf(int i) const {
    return C.gated() ? row / 2 + (firstGroup / 2 + i) * 8 : row + C.rowOf(firstGroup + i);
  }

  /// Asks for what is added to the sums of this band.
  __device__ __forceinline__ void start() {
    if constexpr (adds) {
#pragma unroll
      for (int i = 0; i < own; ++i)
#pragma unroll
        for (int odd = 0; odd < 2; ++odd) {
          int at = token + odd * 8 + lane() / 4, column = columnOf(i) + lane() % 4 * 2;
          bool has = at < tokens && column < C.n;
          added[i][odd] = has ? loadL2(reinterpret_cast<const u32 *>(residual + (long long)at * C.n + column)) : 0;
        }
    }
  }

  /// The sums of this warpgroup's own columns, where both have added up a half of every block.
  __device__ __forceinline__ void exchange(const float (&d)[groups][4], float (&mine)[own][4]) const {
    u32 thread = threadIdx.x % 128;
    auto addressOf = [&](int ofHalf, int i) { return ring.base + u32((ofHalf * own + i) * 128 + thread) * 16; };
#pragma unroll
    for (int i = 0; i < own; ++i) {
      auto other = [&](int e) { return half ? d[i][e] : d[own + i][e]; };
      storeShared(addressOf(1 - half, i), toWords(other(0), other(1), other(2), other(3)));
    }
    namedBarrier(3, C.consumers);
#pragma unroll
    for (int i = 0; i < own; ++i) {
      U32x4 v = loadShared(addressOf(half, i));
      const float sent[4] = {__uint_as_float(v.x), __uint_as_float(v.y), __uint_as_float(v.z), __uint_as_float(v.w)};
#pragma unroll
      for (int e = 0; e < 4; ++e)
        mine[i][e] = (half ? d[own + i][e] : d[i][e]) + sent[e];
    }
  }

  __device__ __forceinline__ void awaitFactors() {
    if constexpr (C.norm) {
      barrierWait(ring.factorsFull(), 0);
#pragma unroll
      for (int odd = 0; odd < 2; ++odd)
        factor[odd] = __uint_as_float(loadSharedWord(ring.base + C.factorsAt() + (place + odd * 8 + lane() / 4) * 4));
    }
  }

  __device__ __forceinline__ void finish(const float (&d)[C.bands()][groups][4]) {
    namedBarrier(3, C.consumers); // both warpgroups are done with the ring
    if constexpr (C.halves()) {
      float mine[own][4];
      exchange(d[0], mine);
      awaitFactors();
      store(mine);
    } else {
#pragma unroll
      for (int b = 0; b < C.bands(); ++b) {
        if constexpr (C.bands() > 1)
          start();
        awaitFactors();
        store(d[b]);
        token += 64;
        place += 64;
        __syncwarp(); // before the next band is turned around
      }
    }
  }

  /// Two neighbouring sums of a row with its factor and their biases.
  __device__ __forceinline__ void weigh(float &a, float &b, const float *biases, int column, int odd) const {
    if constexpr (C.norm) {
      a *= factor[odd];
      b *= factor[odd];
    }
    if constexpr (C.bias)
      if (column < C.n) {
        a += biases[column];
        b += biases[column + 1];
      }
  }

  /// Two neighbouring elements of y, of piece `i`.
  __device__ __forceinline__ u32 finished(const float (&d)[own][4], int i, int odd) const {
    int column = columnOf(i) + lane() % 4 * 2;
    if constexpr (C.gated()) {
      int gates = C.halves() ? 2 * i : C.groupOf(i, false), ups = C.halves() ? 2 * i + 1 : C.groupOf(i, true);
      float a = d[gates][odd * 2], b = d[gates][odd * 2 + 1], up = d[ups][odd * 2], nextUp = d[ups][odd * 2 + 1];
      weigh(a, b, bias, column, odd);
      weigh(up, nextUp, upBias, column, odd);
      return toBf16Pair(__fdividef(a, 1 + __expf(-a)) * up, __fdividef(b, 1 + __expf(-b)) * nextUp);
    } else {
      float a = d[i][odd * 2], b = d[i][odd * 2 + 1];
      weigh(a, b, bias, column, odd);
      if constexpr (adds)
        return toBf16Pair(a + lowBf16(added[i][odd]), b + highBf16(added[i][odd]));
      return toBf16Pair(a, b);
    }
  }

  /// `sums`: of the squares in this thread's columns, of both rows. A tile's go to the first place that only it has,
  /// and zeros to others that are its own.
  __device__ __forceinline__ void leaveSquares(const float (&sums)[2]) const {
#pragma unroll
    for (int odd = 0; odd < 2; ++odd) {
      float sum = sumOverQuad(sums[odd]);
      if constexpr (C.halves())
        sum = addOther(sum, odd);
      int at = token + odd * 8 + lane() / 4;
      if (lane() % 4 || at >= tokens || (C.halves() && half))
        continue;
      for (int block = row / C.tileWeights; block < C.squareBlocks(); block += C.rowTiles()) {
        squares[squaresAt(at, block, C.squareBlocks())] = sum;
        sum = 0;
      }
    }
  }
  /// To the first warpgroup, of two that have a half of the columns each: both sums.
  __device__ __forceinline__ float addOther(float sum, int odd) const {
    u32 address = ring.base + C.passedAt() + u32(place + odd * 8 + lane() / 4) * 4;
    if (half && lane() % 4 == 0)
      storeShared(address, __float_as_uint(sum));
    namedBarrier(3, C.consumers);
    return half ? sum : sum + __uint_as_float(loadSharedWord(address));
  }

  __device__ __forceinline__ void store(const float (&d)[own][4]) const {
    u32 staging = ring.base + C.stagingAt() + threadIdx.x / 32 * C.stagingBytes();
    float sums[2] = {0, 0};
#pragma unroll
    for (int i = 0; i < C.pieces(); ++i) {
      U32x2 v = {finished(d, i, 0), finished(d, i, 1)};
      storeTwoMatrices(staging + lane() % 16 * C.stagedRow() + i * 16, v);
      if (C.squares && columnOf(i) < C.n) {
        sums[0] += squaresOf(v.x);
        sums[1] += squaresOf(v.y);
      }
    }
    if constexpr (C.squares)
      leaveSquares(sums);
    __syncwarp();
#pragma unroll
    for (int first = 0; first < 16 * C.pieces(); first += 32) {
      int index = first + lane(), line = index / C.pieces(), piece = index % C.pieces(), column = columnOf(piece);
      if (index < 16 * C.pieces() && token + line < tokens && column < C.n)
        storeGlobal(y + (long long)(token + line) * C.n + column,
                    loadShared(staging + line * C.stagedRow() + piece * 16));
    }
  }
};

} // namespace sinter::cuda
