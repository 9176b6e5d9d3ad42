// SPDX-License-Identifier: Apache-2.0
// One warp's attention of a group of heads to 16 tokens in shared memory, with a running maximum. Keys, and values
// transposed, are the A operands of mma, so that heads are its columns, eight at a time: a group of up to eight fills
// no rows with zeros.
// Source: Dao, "FlashAttention-2", 2023, algorithm 1
#pragma once
#include "templates/cuda/attention_decode_row.cuh"
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// What a warp has found so far, for every eight heads h: lane (g, t) has rows, that is columns of the output, 16 i + g
/// and 16 i + g + 8 of heads 2 t and 2 t + 1. Logits are in units of log 2.
template <AttentionDecodeConfig C>
struct DecodeState {
  static constexpr int eights = DecodeQuery<C>::eights;
  float out[eights][C.headDim / 16][4]; ///< sum of exp2(logit - max) * value
  float max[eights][2];                 ///< of all lanes of a head
  float sum[eights][2];                 ///< of exp2(logit - max), this lane's part

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int h = 0; h < eights; ++h) {
#pragma unroll
      for (int i = 0; i < C.headDim / 16; ++i)
        out[h][i][0] = out[h][i][1] = out[h][i][2] = out[h][i][3] = 0;
      max[h][0] = max[h][1] = minusInfinity();
      sum[h][0] = sum[h][1] = 0;
    }
  }
};

/// Logits of 16 tokens: lane (g, t), tokens g and g + 8, heads 2 t and 2 t + 1. From `length` on -inf. Four sums each,
/// or two, of different columns make chains of dependent mma short.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void sliceLogits(float (&logits)[DecodeState<C>::eights][4], const DecodeQuery<C> &query,
                                            u32 slot, int length) {
  constexpr float toLog2 = C.scale * log2OfE;
  int lane = int(threadIdx.x) % 32, row = lane % 8;
  u32 base = slot + lane / 8 % 2 * atomBytes + row * 128 + ((lane / 16 ^ row) << 4);
  constexpr int chains = DecodeState<C>::eights == 1 ? 4 : 2; // as registers allow
  float sums[DecodeState<C>::eights][chains][4] = {};
#pragma unroll
  for (int i = 0; i < C.headDim / 16; ++i) {
    U32x4 keys = loadMatrices((base + i / 4 * 2 * atomBytes) ^ (i % 4 * 32));
#pragma unroll
    for (int h = 0; h < DecodeState<C>::eights; ++h)
      mma(sums[h][i % chains], keys, query.fragments[h][i].x, query.fragments[h][i].y);
  }
#pragma unroll
  for (int h = 0; h < DecodeState<C>::eights; ++h)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float sum = sums[h][0][i] + sums[h][1][i];
      if constexpr (chains == 4)
        sum += sums[h][2][i] + sums[h][3][i];
      logits[h][i] = lane / 4 + i / 2 * 8 < length ? sum * toLog2 : minusInfinity();
    }
}

/// Turns the logits of eight heads into weights, and what was found before to the new maximum.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void sliceWeights(float (&logits)[4], DecodeState<C> &state, int h) {
  float correction[2];
#pragma unroll
  for (int head = 0; head < 2; ++head) {
    float most = maxOverColumn(fmaxf(logits[head], logits[head + 2]));
    most = fmaxf(state.max[h][head], most);
    correction[head] = exp2Approx(state.max[h][head] - most);
    state.max[h][head] = most;
    logits[head] = exp2Approx(logits[head] - most);
    logits[head + 2] = exp2Approx(logits[head + 2] - most);
    state.sum[h][head] = state.sum[h][head] * correction[head] + (logits[head] + logits[head + 2]);
  }
#pragma unroll
  for (int i = 0; i < C.headDim / 16; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
      state.out[h][i][j] *= correction[j % 2];
}

/// Adds the slice in `slot`, of which the first `length` tokens count, at least one.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void attendSlice(DecodeState<C> &state, const DecodeQuery<C> &query, u32 slot, int length) {
  constexpr int eights = DecodeState<C>::eights;
  u32 lane = threadIdx.x % 32, row = lane % 8;
  u32 base = slot + C.valuesAt() + lane / 16 * atomBytes + row * 128 + ((lane / 8 % 2 ^ row) << 4);
  U32x4 values[C.headDim / 16];
  auto loadValues = [&] {
#pragma unroll
    for (int i = 0; i < C.headDim / 16; ++i)
      values[i] = loadMatricesTransposed((base + i / 4 * 2 * atomBytes) ^ (i % 4 * 32));
  };
  float weights[eights][4];
  sliceLogits<C>(weights, query, slot, length);
  if constexpr (eights == 1)
    loadValues(); // on their way while the weights are computed, as registers allow
  u32 pairs[eights][2];
#pragma unroll
  for (int h = 0; h < eights; ++h) {
    sliceWeights<C>(weights[h], state, h);
    pairs[h][0] = transposeMatrix(toBf16Pair(weights[h][0], weights[h][1]));
    pairs[h][1] = transposeMatrix(toBf16Pair(weights[h][2], weights[h][3]));
  }
  if constexpr (eights == 2)
    loadValues();
#pragma unroll
  for (int h = 0; h < eights; ++h)
#pragma unroll
    for (int i = 0; i < C.headDim / 16; ++i)
      mma(state.out[h][i], values[i], pairs[h][0], pairs[h][1]);
}

} // namespace sinter::cuda
