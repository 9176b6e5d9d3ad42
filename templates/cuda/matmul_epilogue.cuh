// SPDX-License-Identifier: Apache-2.0
// From sums to y. A warpgroup has 64 rows of the weight, which are 64 columns of y, or 32 with SwiGLU; it turns a few
// tokens at a time around in shared memory, so that y is written, and the residual read, in whole lines.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/matmul_config.h"
#include "templates/cuda/matmul_squares.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// What a warpgroup needs to finish sums of `half`, the 64 rows of a tile that start at `packedRow`.
template <MatmulConfig C>
struct MatmulOutput {
  const float *bias, *upBias;
  const u16 *residual;
  float *squares; ///< of y, as squaresAt() has them
  void *y;
  int tokens;      ///< rows of y
  u32 staging;     ///< this warpgroup's part of shared memory
  u32 barrier;     ///< its named barrier
  int column;      ///< of y: the warpgroup's first
  int tileEnd;     ///< of y: the first column beyond the tile
  float low, high; ///< bias of this thread's rows g and g + 8

  static constexpr int pieces = C.outRows() / 8; ///< of 16 bytes, in a staged token
  static constexpr int buffer = C.unitTokens * C.outRows() * 2;

  __device__ __forceinline__ static int thread() { return int(threadIdx.x % 128); }
  __device__ __forceinline__ static int warp() { return thread() / 32; }
  __device__ __forceinline__ static int group() { return thread() % 32 / 4; }

  /// Columns of y of this thread's rows g and g + 8; with SwiGLU they are one.
  __device__ __forceinline__ int ownColumn() const { return column + warp() * (C.gated() ? 8 : 16) + group(); }

  /// Columns of y beyond which others write: of a tile that ends at row `packedRow` of the weight.
  __device__ __forceinline__ void endAt(int packedRow) {
    int after = C.gated() ? packedRow / 2 : packedRow;
    tileEnd = after < C.n ? after : C.n;
  }
  __device__ __forceinline__ int end() const { return C.height % 4 ? tileEnd : C.n; }

  __device__ __forceinline__ void moveTo(int packedRow) {
    column = C.gated() ? packedRow / 2 : packedRow;
    low = high = 0;
    if constexpr (C.bias) {
      int own = ownColumn();
      if (own < end())
        low = bias[own];
      if (C.gated() ? own < end() : own + 8 < end())
        high = C.gated() ? upBias[own] : bias[own + 8];
    }
  }

  __device__ __forceinline__ void sync() const { namedBarrier(barrier, 128); }

  /// Where a piece of a staged token lies: eight tokens' pieces of one place meet no bank twice.
  __device__ __forceinline__ static u32 stagedAt(int token, int piece) {
    int place = C.gated() ? piece ^ (token / 2 % 4) : piece ^ token % 8;
    return u32(token * C.outRows() * 2 + place * 16);
  }

  /// Calls f(address in staging, offset in y) for every piece of `Tokens` staged tokens that is this thread's: always
  /// the same ones, so what a thread does with its pieces needs no barrier.
  template <int Tokens, typename F>
  __device__ __forceinline__ void forPieces(int firstToken, u32 at, F &&f) const {
#pragma unroll
    for (int first = 0; first < Tokens * pieces; first += 128) {
      int index = first + thread(), token = index / pieces, piece = index % pieces;
      if (index < Tokens * pieces && firstToken + token < tokens && column + piece * 8 < end())
        f(at + stagedAt(token, piece), (long long)(firstToken + token) * C.n + column + piece * 8);
    }
  }

  /// Asks for the residual of tokens, to be staged at `at`.
  template <int Tokens>
  __device__ __forceinline__ void fetchResidual(int firstToken, u32 at) const {
    forPieces<Tokens>(firstToken, at,
                      [&](u32 address, long long offset) { asyncCopy(address, residual + offset, 16); });
  }

  template <int Tokens>
  __device__ __forceinline__ void copyOut(int firstToken, u32 at) const {
    if constexpr (C.squares)
      return copyOutSquared<Tokens>(firstToken, at);
    forPieces<Tokens>(firstToken, at, [&](u32 address, long long offset) {
      storeGlobal(static_cast<u16 *>(y) + offset, loadShared(address));
    });
  }

  /// The same; eight neighbouring threads have the 64 columns of a token.
  template <int Tokens>
  __device__ __forceinline__ void copyOutSquared(int firstToken, u32 at) const {
#pragma unroll
    for (int first = 0; first < Tokens * pieces; first += 128) {
      int index = first + thread(), token = index / pieces, piece = index % pieces;
      bool mine = firstToken + token < tokens && column + piece * 8 < end();
      U32x4 v{};
      if (mine) {
        v = loadShared(at + stagedAt(token, piece));
        storeGlobal(static_cast<u16 *>(y) + (long long)(firstToken + token) * C.n + column + piece * 8, v);
      }
      float sum = sumOverLanes<8>(squaresOf(v));
      if (mine && piece == 0)
        squares[squaresAt(firstToken + token, column / 64, ceilDiv(C.n, 64))] = sum;
    }
  }

  __device__ __forceinline__ float swiGlu(float gate, float up) const {
    gate += low;
    return __fdividef(gate, 1 + __expf(-gate)) * (up + high);
  }

  /// Sums of 8 Groups tokens to `at`, finished.
  template <int Groups>
  __device__ __forceinline__ void stage(const float (&d)[Groups][4], u32 at) const {
    int lane = thread() % 32, row = lane % 8, matrix = lane / 8;
    if constexpr (C.gated()) {
#pragma unroll
      for (int i = 0; i < Groups; i += 2) {
        U32x2 v = {toBf16Pair(swiGlu(d[i][0], d[i][2]), swiGlu(d[i][1], d[i][3])),
                   toBf16Pair(swiGlu(d[i + 1][0], d[i + 1][2]), swiGlu(d[i + 1][1], d[i + 1][3]))};
        storeTwoMatricesTransposed(at + stagedAt((i + matrix % 2) * 8 + row, warp()), v);
      }
    } else {
#pragma unroll
      for (int i = 0; i < Groups; i += 2) {
        u32 address = at + stagedAt((i + matrix / 2) * 8 + row, warp() * 2 + matrix % 2);
        U32x4 r{};
        if constexpr (C.epilogue == Epilogue::Residual)
          r = loadMatricesTransposed(address);
        storeMatricesTransposed(address, {finishPair(d[i][0] + low, d[i][1] + low, r.x),
                                          finishPair(d[i][2] + high, d[i][3] + high, r.y),
                                          finishPair(d[i + 1][0] + low, d[i + 1][1] + low, r.z),
                                          finishPair(d[i + 1][2] + high, d[i + 1][3] + high, r.w)});
      }
    }
  }

  __device__ __forceinline__ static u32 finishPair(float a, float b, u32 residualPair) {
    if constexpr (C.epilogue == Epilogue::Residual)
      return toBf16Pair(a + lowBf16(residualPair), b + highBf16(residualPair));
    else
      return toBf16Pair(a, b);
  }

  /// float32: eight lanes write a sector, so nothing is gained by staging.
  template <int Groups>
  __device__ __forceinline__ void storeDirect(const float (&d)[Groups][4], int firstToken) const {
#pragma unroll
    for (int i = 0; i < Groups; ++i)
#pragma unroll
      for (int odd = 0; odd < 2; ++odd) {
        int token = firstToken + i * 8 + thread() % 4 * 2 + odd, own = ownColumn();
        if (token >= tokens)
          continue;
        if constexpr (C.gated()) {
          storeOne(token, own, swiGlu(d[i][odd], d[i][2 + odd]));
        } else {
          storeOne(token, own, d[i][odd] + low);
          storeOne(token, own + 8, d[i][2 + odd] + high);
        }
      }
  }

  __device__ __forceinline__ void storeOne(int token, int own, float v) const {
    if (own >= end())
      return;
    long long at = (long long)token * C.n + own;
    if constexpr (C.epilogue == Epilogue::Residual)
      v += lowBf16(loadL2(residual + at));
    static_cast<float *>(y)[at] = v;
  }

  /// A piece of a split tile, its residual being staged at `at`.
  template <int Groups>
  __device__ __forceinline__ void finishPiece(const float (&d)[Groups][4], int firstToken, u32 at) const {
    if constexpr (C.out == Out::F32) {
      storeDirect(d, firstToken);
    } else {
      stage(d, at);
      sync();
      copyOut<Groups * 8>(firstToken, at);
    }
  }

  /// Asks for the residual of the first two units of a tile that finishTile() will be called for.
  template <int Tokens>
  __device__ __forceinline__ void startTile(int firstToken) const {
    if constexpr (C.out == Out::Bf16 && C.epilogue == Epilogue::Residual) {
      fetchResidual<C.unitTokens>(firstToken, staging);
      asyncCopyCommit();
      if constexpr (Tokens > C.unitTokens)
        fetchResidual<C.unitTokens>(firstToken + C.unitTokens, staging + buffer);
      asyncCopyCommit();
    }
  }

  /// All tokens of a tile, a unit at a time through two buffers.
  template <int Count>
  __device__ __forceinline__ void finishTile(const float (&d)[Count][4], int firstToken) const {
    constexpr bool residual = C.epilogue == Epilogue::Residual;
    constexpr int groups = C.unitTokens / 8, units = Count / groups;
    if constexpr (C.out == Out::F32) {
      storeDirect(d, firstToken);
      return;
    } else {
      if constexpr (!residual)
        sync();
#pragma unroll
      for (int unit = 0; unit < units; ++unit) {
        int token = firstToken + unit * C.unitTokens;
        u32 at = staging + unit % 2 * buffer;
        if (token >= tokens)
          break;
        if constexpr (residual) {
          asyncCopyWaitGroup<1>();
          sync();
        }
        stage(reinterpret_cast<const float(&)[groups][4]>(d[unit * groups]), at);
        sync();
        copyOut<C.unitTokens>(token, at);
        if constexpr (residual) {
          if (unit + 2 < units)
            fetchResidual<C.unitTokens>(token + 2 * C.unitTokens, at);
          asyncCopyCommit();
        }
      }
    }
  }
};

} // namespace sinter::cuda
