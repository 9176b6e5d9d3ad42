// SPDX-License-Identifier: Apache-2.0
// The new token of a resident step: its queries, normed and roped, as the B operand of mma, and its key and value for
// the SM that has the end of the sequence, which also appends them to the pool.
#pragma once
#include "templates/cuda/decode_step_consume.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/rope.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// What is the same for all layers of a step, in shared memory.
struct StepToken {
  int length, position, slot;
  int blocks, head, block, count; ///< of a head; the SM's first unit; its units
};

template <DecodeStepConfig C>
__device__ __forceinline__ StepToken tokenOf(u32 shared) {
  U32x4 v = loadShared(shared + C.tokenAt()), w = loadShared(shared + C.tokenAt() + 16);
  return {int(v.x), int(v.y), int(v.z), int(v.w), int(w.x), int(w.y), int(w.z)};
}

/// A lane of D / 4 has columns 2 lane, the next, and those half a head further on.
template <DecodeStepConfig C>
struct StepRows {
  static constexpr int dim = C.headDim, lanes = dim / 4;
  int lane;

  __device__ __forceinline__ RopeFactors factors(const float *angles, const float *weight) const {
    return ropeFactors<dim>(angles, C.qkNorm ? weight : nullptr, lane % lanes * 2);
  }
  __device__ __forceinline__ U32x2 roped(u32 low, u32 high, const RopeFactors &f) const {
    float scale = 1;
    if constexpr (C.qkNorm)
      scale = normFactor(sumOverLanes(lane < lanes ? squaresOf(low) + squaresOf(high) : 0), dim, C.eps);
    return ropePair(low, high, scale, f);
  }
  /// Puts a new key and value into the pool.
  __device__ __forceinline__ void append(u16 *pool, int slot, int head, U32x2 key, U32x2 value) const {
    auto at = [&](bool isValue, int column) {
      return reinterpret_cast<u32 *>(pool + kvIndex(slot, head, isValue, column, C.kvHeads, dim));
    };
    *at(false, lane * 2) = key.x;
    *at(false, lane * 2 + dim / 2) = key.y;
    *at(true, lane * 2) = value.x;
    *at(true, lane * 2 + dim / 2) = value.y;
  }
  /// The same to plain rows in shared memory.
  __device__ __forceinline__ void keep(u32 to, U32x2 key, U32x2 value) const {
    storeShared(to + lane * 4, key.x);
    storeShared(to + lane * 4 + dim, key.y);
    storeShared(to + dim * 2 + lane * 4, value.x);
    storeShared(to + dim * 2 + lane * 4 + dim, value.y);
  }
};

/// Where, in bytes, a column of a query lies in shared memory.
__device__ __forceinline__ u32 queryOffset(int row, int column) {
  return u32(column / atomColumns) * atomBytes + u32(atomIndex(row, column % atomColumns)) * 2;
}

/// Puts the queries of the group of `head` into shared memory, a warp each. With `append` the sequence ends here: the
/// last warp adds its new key and value, and puts them into the pool. Ends with a barrier of the consuming warps.
template <DecodeStepConfig C>
__device__ __forceinline__ void stageQueries(const StepConsumer<C> &self, const StepToken &token, const u32 *qkv,
                                             const StepLayer &layer, const float *rope, int head, bool append) {
  constexpr int dim = C.headDim;
  StepRows<C> rows{self.lane};
  append &= self.warp == C.warps - 1;
  bool queries = self.warp < C.group(), row = self.lane < rows.lanes;
  const float *angles = rope + (long long)token.position * dim;
  RopeFactors query = rows.factors(angles, layer.qNorm), key = rows.factors(angles, layer.kNorm);
  const u32 *q = qkv + (head * C.group() + self.warp) * (dim / 2) + self.lane % rows.lanes;
  const u32 *k = qkv + (C.heads + head) * (dim / 2) + self.lane % rows.lanes;
  u32 words[6]; // of a query, the key, the value
  pollWords<6>(words, [&](int i) {
    return i < 2    ? queries ? q + i * (dim / 4) : nullptr
           : append ? k + i / 4 * (C.kvHeads * (dim / 2)) + i % 2 * (dim / 4)
                    : nullptr;
  });
  if (queries) {
    U32x2 x = rows.roped(words[0], words[1], query);
    if (row) {
      storeShared(self.shared + C.queryAt() + queryOffset(self.warp, self.lane * 2), x.x);
      storeShared(self.shared + C.queryAt() + queryOffset(self.warp, self.lane * 2 + dim / 2), x.y);
    }
  }
  U32x2 x{}, value{words[4], words[5]};
  if (append) {
    x = rows.roped(words[2], words[3], key);
    if (row)
      rows.keep(self.shared + C.addedAt(), x, value);
  }
  namedBarrier(1, C.warps * 32);
  if (append && row)
    rows.append(layer.pool, token.slot, head, x, value);
}

/// The queries that are staged, as B operands: columns are heads, those from the group's size on undefined.
template <DecodeStepConfig C>
__device__ __forceinline__ void loadQuery(const StepConsumer<C> &self, U32x2 (&query)[C.headDim / 16]) {
  u32 row = self.lane % 8, base = self.shared + C.queryAt() + row * 128 + ((self.lane / 8 ^ row) << 4);
#pragma unroll
  for (int i = 0; i < C.headDim / 32; ++i) {
    U32x4 v = loadMatrices((base + i / 2 * atomBytes) ^ (i % 2 * 64));
    query[2 * i] = {v.x, v.y};
    query[2 * i + 1] = {v.z, v.w};
  }
}

} // namespace sinter::cuda
