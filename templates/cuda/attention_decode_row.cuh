// SPDX-License-Identifier: Apache-2.0
// The new token of a sequence: its queries, as the A operand of mma, and in a fused kernel its key and value, which the
// warp that has the end of the sequence appends to the pool and puts into its slot of shared memory itself.
#pragma once
#include "templates/cuda/attention_decode_work.cuh"
#include "templates/cuda/rope.cuh"

namespace sinter::cuda {

/// Lane (g, t) = (lane / 4, lane % 4) has, of query heads g and g + 8 of the group, columns 8 i + 2 t and the next.
template <AttentionDecodeConfig C>
struct DecodeQuery {
  static constexpr int rows = C.group() > 8 ? 2 : 1;
  static constexpr int pairs = C.headDim / 16; ///< i of the first half; their partners are as many
  U32x4 fragments[C.headDim / 16];

  __device__ __forceinline__ void put(int row, int i, u32 pair) {
    U32x4 &f = fragments[i / 2];
    (row ? (i % 2 ? f.w : f.y) : (i % 2 ? f.z : f.x)) = pair;
  }
};

/// A lane's columns of the new key and value: 2 lane and the next, and half a head further on, for lanes below
/// headDim / 4.
struct DecodeToken {
  U32x2 key, value;
};

/// Asks for the weights of the norms, which are constant.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void prefetchNorms(const rt::CudaArgs<N> &args) {
  if constexpr (C.fused && C.norm)
    if (int column = int(threadIdx.x) % 32 * 32; column < C.headDim) {
      prefetchL2(args.template get<const float>(2) + column);
      prefetchL2(args.template get<const float>(3) + column);
    }
}

/// The row of the rope table for a unit's new token.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ const float *anglesOf(const rt::CudaArgs<N> &args, const DecodeUnit &unit) {
  return args.template get<const float>(1) + (long long)unit.position * C.headDim;
}

/// The queries of a unit's group, roped.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void loadQuery(DecodeQuery<C> &query, const rt::CudaArgs<N> &args, const DecodeUnit &unit) {
  constexpr int pairs = DecodeQuery<C>::pairs, half = C.headDim / 2;
  int lane = int(threadIdx.x) % 32;
  constexpr int columns = C.fused ? C.qkvColumns() : C.heads * C.headDim;
  const u16 *group = args.template get<const u16>(0) + (long long)unit.row * columns +
                     unit.head * C.group() * C.headDim + lane % 4 * 2;
  RopeFactors factors[pairs];
  if constexpr (C.fused)
#pragma unroll
    for (int i = 0; i < pairs; ++i)
      factors[i] = ropeFactors<C.headDim>(anglesOf<C>(args, unit), C.norm ? args.template get<const float>(2) : nullptr,
                                          i * 8 + lane % 4 * 2);
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    int head = lane / 4 + row * 8;
    const u32 *at = reinterpret_cast<const u32 *>(group + head * C.headDim);
    bool inside = row < DecodeQuery<C>::rows && head < C.group();
    u32 first[pairs], second[pairs];
    float squares = 0;
#pragma unroll
    for (int i = 0; i < pairs; ++i) {
      first[i] = inside ? loadL2(at + i * 4) : 0;
      second[i] = inside ? loadL2(at + half / 2 + i * 4) : 0;
    }
    float scale = 1;
    if constexpr (C.fused && C.norm) {
#pragma unroll
      for (int i = 0; i < pairs; ++i)
        squares += squaresOfPair(first[i]) + squaresOfPair(second[i]);
      squares += __shfl_xor_sync(~0u, squares, 1);
      squares += __shfl_xor_sync(~0u, squares, 2);
      scale = rsqrtf(squares / C.headDim + C.eps);
    }
#pragma unroll
    for (int i = 0; i < pairs; ++i) {
      U32x2 roped{first[i], second[i]};
      if constexpr (C.fused)
        roped = ropePair(first[i], second[i], scale, factors[i]);
      query.put(row, i, roped.x);
      query.put(row, pairs + i, roped.y);
    }
  }
}

/// Where, in bytes, a lane's column of a token lies in a slice of 16 tokens.
__device__ __forceinline__ u32 sliceOffset(int token, int column) {
  return u32(column / atomColumns * 2 + token / atomRows) * atomBytes +
         u32(atomIndex(token % atomRows, column % atomColumns)) * 2;
}

/// The new key, normed and roped, and value of a unit's head, also appended to the pool. By one warp.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ DecodeToken appendToken(const rt::CudaStep &step, const rt::CudaArgs<N> &args,
                                                   const DecodeUnit &unit) {
  constexpr int half = C.headDim / 2;
  int lane = int(threadIdx.x) % 32, column = lane * 2;
  bool inside = lane < C.headDim / 4;
  const u16 *key = args.template get<const u16>(0) + (long long)unit.row * C.qkvColumns() +
                   (C.heads + unit.head) * C.headDim + column;
  const u32 *keys = reinterpret_cast<const u32 *>(key);
  const u32 *values = reinterpret_cast<const u32 *>(key + C.kvHeads * C.headDim);
  u32 first = inside ? loadL2(keys) : 0, second = inside ? loadL2(keys + half / 2) : 0;
  DecodeToken token{{}, {inside ? loadL2(values) : 0, inside ? loadL2(values + half / 2) : 0}};
  int slot = loadL2(step.slots + unit.row);
  RopeFactors factors = ropeFactors<C.headDim>(
      anglesOf<C>(args, unit), C.norm ? args.template get<const float>(3) : nullptr, lane % (C.headDim / 4) * 2);
  float scale = 1;
  if constexpr (C.norm) {
    float squares = squaresOfPair(first) + squaresOfPair(second);
#pragma unroll
    for (int offset = 16; offset; offset /= 2)
      squares += __shfl_xor_sync(~0u, squares, offset);
    scale = rsqrtf(squares / C.headDim + C.eps);
  }
  token.key = ropePair(first, second, scale, factors);
  if (inside) {
    u16 *pool = args.template get<u16>(4);
    auto at = [&](bool value, int c) {
      return reinterpret_cast<u32 *>(pool + kvIndex(slot, unit.head, value, c, C.kvHeads, C.headDim));
    };
    *at(false, column) = token.key.x;
    *at(false, column + half) = token.key.y;
    *at(true, column) = token.value.x;
    *at(true, column + half) = token.value.y;
  }
  return token;
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
      storeShared(slot + C.valuesAt() + sliceOffset(row, piece % rowPieces * 8), U32x4{});
  }
  if constexpr (C.fused)
    if (lane < C.headDim / 4) {
      u32 at = slot + sliceOffset(length - 1, lane * 2),
          partner = slot + sliceOffset(length - 1, lane * 2 + C.headDim / 2);
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
