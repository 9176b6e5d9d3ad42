// SPDX-License-Identifier: Apache-2.0
// The new token of a sequence: its queries, as the B operand of mma, and in a fused kernel its key and value, which the
// warp that has the end of the sequence appends to the pool and puts into its slot of shared memory itself.
//
// A warp takes a head at a time: a lane has columns 2 lane and the next, and half a head further on, for lanes below
// headDim / 4. So a CTA reads every row once, and what rows are roped with is a few registers.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/attention_decode_work.cuh"
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/rope.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// The B operands of a group of heads, columns of tiles of 8: those from the group's size on are zero.
template <AttentionDecodeConfig C>
struct DecodeQuery {
  static constexpr int eights = C.group() > 8 ? 2 : 1;
  U32x2 fragments[eights][C.headDim / 16];
};

/// What a lane's columns of a new token are roped with.
struct DecodeFactors {
  RopeFactors query, key;
};

/// Rows that a warp has asked for: heads warp, warp + 4 and so on of the group, and, where it ends the sequence, the
/// new key and value.
template <AttentionDecodeConfig C>
struct DecodeRows {
  static constexpr int queries = ceilDiv(C.group(), C.warps);
  U32x2 query[queries], key, value;
  int slot;    ///< of the pool
  bool append; ///< this warp has the key and value
};

/// A lane's columns of the new key and value.
struct DecodeToken {
  U32x2 key, value;
};

/// The weights of the norms, which are constant.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void loadNorms(DecodeFactors &f, const rt::CudaArgs<N> &args) {
  int column = int(threadIdx.x) % (C.headDim / 4) * 2;
  f.query.weight = f.query.partnerWeight = f.key.weight = f.key.partnerWeight = {1, 1};
  if constexpr (C.fused && C.norm) {
    f.query.weight = constantPair(args.template get<const float>(2) + column);
    f.query.partnerWeight = constantPair(args.template get<const float>(2) + C.headDim / 2 + column);
    f.key.weight = constantPair(args.template get<const float>(3) + column);
    f.key.partnerWeight = constantPair(args.template get<const float>(3) + C.headDim / 2 + column);
  }
}

/// The angles of a unit's new token.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void loadAngles(DecodeFactors &f, const rt::CudaArgs<N> &args, const DecodeUnit &unit) {
  if constexpr (C.fused) {
    const float *angles = args.template get<const float>(1) + (long long)unit.position * C.headDim +
                          int(threadIdx.x) % (C.headDim / 4) * 2;
    f.query.cosine = f.key.cosine = constantPair(angles);
    f.query.sine = f.key.sine = constantPair(angles + C.headDim / 2);
  }
}

/// A lane's columns of a head.
template <AttentionDecodeConfig C>
__device__ __forceinline__ U32x2 loadHead(const u16 *head) {
  int lane = int(threadIdx.x) % 32;
  if (lane >= C.headDim / 4)
    return {};
  const u32 *at = reinterpret_cast<const u32 *>(head) + lane;
  return {loadL2(at), loadL2(at + C.headDim / 4)};
}

/// Asks for the rows of a unit's new token. `left`: units that the CTA has from this one on.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void loadRows(DecodeRows<C> &rows, const rt::CudaStep &step, const rt::CudaArgs<N> &args,
                                         const DecodeUnit &unit, int left) {
  constexpr int columns = C.fused ? C.qkvColumns() : C.heads * C.headDim;
  int warp = int(threadIdx.x) / 32;
  const u16 *row = args.template get<const u16>(0) + (long long)unit.row * columns;
#pragma unroll
  for (int i = 0; i < rows.queries; ++i) {
    int head = i * C.warps + warp;
    rows.query[i] = head < C.group() ? loadHead<C>(row + (unit.head * C.group() + head) * C.headDim) : U32x2{};
  }
  rows.key = rows.value = {};
  rows.append =
      C.fused && (unit.length - 1) % kvBlockTokens / C.sliceTokens == warp && unit.blocks - unit.block <= left;
  if (rows.append) {
    rows.key = loadHead<C>(row + (C.heads + unit.head) * C.headDim);
    rows.value = loadHead<C>(row + (C.heads + C.kvHeads + unit.head) * C.headDim);
    rows.slot = loadL2(step.slots + unit.row);
  }
}

/// Norms and ropes the rows that a warp has asked for, side by side.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void ropeRows(DecodeRows<C> &rows, const DecodeFactors &factors) {
  constexpr int queries = DecodeRows<C>::queries;
  float squares[queries + 1];
  if constexpr (C.norm) {
#pragma unroll
    for (int i = 0; i < queries; ++i)
      squares[i] = squaresOf(rows.query[i].x) + squaresOf(rows.query[i].y);
    squares[queries] = squaresOf(rows.key.x) + squaresOf(rows.key.y);
    sumsOverLanes(squares);
  }
  auto scale = [&](int i) { return C.norm ? normFactor(squares[i], C.headDim, C.eps) : 1; };
#pragma unroll
  for (int i = 0; i < queries; ++i)
    rows.query[i] = ropePair(rows.query[i].x, rows.query[i].y, scale(i), factors.query);
  rows.key = ropePair(rows.key.x, rows.key.y, scale(queries), factors.key);
}

/// Where, in bytes, a column of a row lies among atoms of which `stacked` are on top of each other.
template <int Stacked>
__device__ __forceinline__ u32 atomOffset(int row, int column) {
  return u32(column / atomColumns * Stacked + row / atomRows) * atomBytes +
         u32(atomIndex(row % atomRows, column % atomColumns)) * 2;
}

/// Puts this warp's heads of the group into the tile at `tile`, and zeros after the last; a barrier has to follow.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void stageQuery(u32 tile, const DecodeRows<C> &rows) {
  constexpr int stacked = DecodeQuery<C>::eights;
  int lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < stacked * 8 / C.warps; ++i) {
    int head = i * C.warps + int(threadIdx.x) / 32;
    U32x2 x = i < rows.queries ? rows.query[i] : U32x2{};
    if (lane < C.headDim / 4) {
      storeShared(tile + atomOffset<stacked>(head, lane * 2), x.x);
      storeShared(tile + atomOffset<stacked>(head, lane * 2 + C.headDim / 2), x.y);
    }
  }
}

template <AttentionDecodeConfig C>
__device__ __forceinline__ void loadQuery(DecodeQuery<C> &query, u32 tile) {
  constexpr int eights = DecodeQuery<C>::eights;
  u32 lane = threadIdx.x % 32, row = lane % 8;
  u32 base = tile + row * 128 + ((lane / 8 ^ row) << 4);
#pragma unroll
  for (int h = 0; h < eights; ++h)
#pragma unroll
    for (int i = 0; i < C.headDim / 32; ++i) {
      U32x4 v = loadMatrices((base + (i / 2 * eights + h) * atomBytes) ^ (i % 2 * 64));
      query.fragments[h][2 * i] = {v.x, v.y};
      query.fragments[h][2 * i + 1] = {v.z, v.w};
    }
}

/// Appends the new key and value of a head to the pool. By the warp that asked for them.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void appendToken(const DecodeRows<C> &rows, u16 *pool, int head) {
  int lane = int(threadIdx.x) % 32, column = lane * 2;
  if (lane < C.headDim / 4) {
    auto at = [&](bool value, int c) {
      return reinterpret_cast<u32 *>(pool + kvIndex(rows.slot, head, value, c, C.kvHeads, C.headDim));
    };
    *at(false, column) = rows.key.x;
    *at(false, column + C.headDim / 2) = rows.key.y;
    *at(true, column) = rows.value.x;
    *at(true, column + C.headDim / 2) = rows.value.y;
  }
}

/// Makes the slice that ends a sequence fit for use: what lies in the pool from its end on is undefined, but weighted
/// with zero, so it must not be NaN; and a fused kernel's new token is not there yet. `length`: 1 to 16 tokens.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void completeSlice(u32 slot, int length, const DecodeToken &token) {
  int lane = int(threadIdx.x) % 32;
  constexpr int rowPieces = C.headDim / 8;
#pragma unroll
  for (int i = 0; i < C.sliceTokens * rowPieces / 32; ++i) {
    int piece = i * 32 + lane, row = piece / rowPieces;
    if (row >= length)
      storeShared(slot + C.valuesAt() + atomOffset<2>(row, piece % rowPieces * 8), U32x4{});
  }
  if constexpr (C.fused)
    if (lane < C.headDim / 4) {
      u32 at = slot + atomOffset<2>(length - 1, lane * 2);
      u32 partner = slot + atomOffset<2>(length - 1, lane * 2 + C.headDim / 2);
      storeShared(at, token.key.x);
      storeShared(partner, token.key.y);
      storeShared(at + C.valuesAt(), token.value.x);
      storeShared(partner + C.valuesAt(), token.value.y);
    }
  if constexpr (C.bulk)
    asyncProxyFence(); // the slot is filled again by the async proxy
  __syncwarp();
}

} // namespace sinter::cuda
