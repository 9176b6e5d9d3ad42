// SPDX-License-Identifier: Apache-2.0
// One warp's attention of a group of heads to 16 tokens in shared memory, with a running maximum.
// Source: Dao, "FlashAttention-2", 2023, algorithm 1
#pragma once
#include "templates/cuda/attention_decode_row.cuh"
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// What a warp has found so far: lane (g, t) has columns 8 i + 2 t and the next of heads g, and g + 8, of the group.
/// Logits are in units of log 2.
template <AttentionDecodeConfig C>
struct DecodeState {
  float out[C.headDim / 8][4]; ///< sum of exp2(logit - max) * value
  float max[2];                ///< of all lanes of a head
  float sum[2];                ///< of exp2(logit - max), this lane's part

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < C.headDim / 8; ++i)
      out[i][0] = out[i][1] = out[i][2] = out[i][3] = 0;
    max[0] = max[1] = minusInfinity();
    sum[0] = sum[1] = 0;
  }
};

/// Logits of 16 tokens: lane (g, t), tokens 8 j + 2 t and the next, heads g, and g + 8. From `length` on -inf. Two sums
/// each, of alternate columns, halve the chain of dependent mma.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void sliceLogits(float (&logits)[2][4], const DecodeQuery<C> &query, u32 slot, int length) {
  constexpr float toLog2 = C.scale * log2OfE;
  u32 lane = threadIdx.x % 32, row = lane % 8;
  u32 base = slot + row * 128 + ((lane / 8 ^ row) << 4);
  float sums[2][2][4] = {};
#pragma unroll
  for (int i = 0; i < C.headDim / 32; ++i)
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      U32x4 keys = loadMatrices((base + (i / 2 * 2 + j) * atomBytes) ^ (i % 2 * 64));
      mma(sums[j][0], query.fragments[2 * i], keys.x, keys.y);
      mma(sums[j][1], query.fragments[2 * i + 1], keys.z, keys.w);
    }
#pragma unroll
  for (int j = 0; j < 2; ++j)
#pragma unroll
    for (int i = 0; i < 4; ++i)
      logits[j][i] =
          j * 8 + int(lane % 4) * 2 + i % 2 < length ? (sums[j][0][i] + sums[j][1][i]) * toLog2 : minusInfinity();
}

/// Turns the logits of head `row` into weights, and what was found before to the new maximum.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void sliceWeights(float (&logits)[2][4], DecodeState<C> &state, int row) {
  float most = state.max[row];
#pragma unroll
  for (int j = 0; j < 2; ++j)
    most = fmaxf(most, fmaxf(logits[j][row * 2], logits[j][row * 2 + 1]));
  most = maxOverQuad(most);
  float correction = exp2Approx(state.max[row] - most);
  state.max[row] = most;
  state.sum[row] *= correction;
#pragma unroll
  for (int j = 0; j < 2; ++j)
#pragma unroll
    for (int i = row * 2; i < row * 2 + 2; ++i) {
      logits[j][i] = exp2Approx(logits[j][i] - most);
      state.sum[row] += logits[j][i];
    }
#pragma unroll
  for (int i = 0; i < C.headDim / 8; ++i) {
    state.out[i][row * 2] *= correction;
    state.out[i][row * 2 + 1] *= correction;
  }
}

/// Adds the slice in `slot`, of which the first `length` tokens count, at least one.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void attendSlice(DecodeState<C> &state, const DecodeQuery<C> &query, u32 slot, int length) {
  constexpr bool both = DecodeQuery<C>::rows == 2;
  u32 lane = threadIdx.x % 32, row = lane % 8;
  u32 base = slot + C.valuesAt() + lane / 8 % 2 * atomBytes + row * 128 + ((lane / 16 ^ row) << 4);
  float weights[2][4];
  sliceLogits<C>(weights, query, slot, length);
  U32x4 values[C.headDim / 16]; // on their way while the weights are computed
#pragma unroll
  for (int i = 0; i < C.headDim / 16; ++i)
    values[i] = loadMatricesTransposed((base + i / 4 * 2 * atomBytes) ^ (i % 4 * 32));
  sliceWeights<C>(weights, state, 0);
  if constexpr (both)
    sliceWeights<C>(weights, state, 1);
  U32x4 p{toBf16Pair(weights[0][0], weights[0][1]), both ? toBf16Pair(weights[0][2], weights[0][3]) : 0,
          toBf16Pair(weights[1][0], weights[1][1]), both ? toBf16Pair(weights[1][2], weights[1][3]) : 0};
#pragma unroll
  for (int i = 0; i < C.headDim / 16; ++i) {
    mma(state.out[2 * i], p, values[i].x, values[i].y);
    mma(state.out[2 * i + 1], p, values[i].z, values[i].w);
  }
}

} // namespace sinter::cuda
