// SPDX-License-Identifier: Apache-2.0
// The softmax of prefill attention as keys come tile by tile, on scores in registers as mma.m16n8 and wgmma leave them:
// lane l of a warp holds, of its rows l / 4 and l / 4 + 8, the columns 2 (l % 4) and the next of every eight.
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao, "FlashAttention-2", 2023
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// Of a lane's two rows, so far: the largest score, and this lane's part of the sum of exponentials.
struct PrefillRows {
  float largest[2] = {minusInfinity(), minusInfinity()};
  float sum[2] = {0, 0};
};

/// `visible`: keys of this tile that each of the two rows may look at; the others, which may be anything, become -inf.
template <int N>
__device__ __forceinline__ void maskScores(float (&scores)[N], const int (&visible)[2], int lane) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (int column = i / 4 * 8 + i % 2 + lane % 4 * 2; column >= visible[i / 2 % 2])
      scores[i] = minusInfinity();
}

/// Turns scores into exponentials of `scale` (with log2 e) times their distance to the largest. What was summed before
/// has to be multiplied by `factors`. The first tile of a row must have a visible key.
template <int N>
__device__ __forceinline__ void addToSoftmax(float (&scores)[N], PrefillRows &rows, float (&factors)[2], float scale) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float largest = rows.largest[r];
#pragma unroll
    for (int i = 0; i < N; i += 4)
      largest = fmaxf(largest, fmaxf(scores[i + 2 * r], scores[i + 2 * r + 1]));
    largest = maxOverQuad(largest);
    factors[r] = exp2Approx((rows.largest[r] - largest) * scale);
    rows.largest[r] = largest;
    float offset = largest * scale, sum = rows.sum[r] * factors[r];
#pragma unroll
    for (int i = 0; i < N; i += 4)
#pragma unroll
      for (int j = 2 * r; j < 2 * r + 2; ++j) {
        scores[i + j] = exp2Approx(fmaf(scores[i + j], scale, -offset));
        sum += scores[i + j];
      }
    rows.sum[r] = sum;
  }
}

/// The exponentials as A operands of the product with the values, 16 keys each.
template <int N>
__device__ __forceinline__ void packExponentials(const float (&p)[N], U32x4 (&packed)[N / 8]) {
#pragma unroll
  for (int i = 0; i < N / 8; ++i)
    packed[i] = {toBf16Pair(p[8 * i], p[8 * i + 1]), toBf16Pair(p[8 * i + 2], p[8 * i + 3]),
                 toBf16Pair(p[8 * i + 4], p[8 * i + 5]), toBf16Pair(p[8 * i + 6], p[8 * i + 7])};
}

template <int N>
__device__ __forceinline__ void scaleRows(float (&output)[N], const float (&factors)[2]) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    output[i] *= factors[i / 2 % 2];
}

/// Divides by the sums and writes a lane's part of two rows. `out`: where the head of the tile's first row begins;
/// `row`: the lane's first row in the tile, of which `rows` exist.
template <int N>
__device__ __forceinline__ void storeRows(const float (&output)[N], const PrefillRows &state, u16 *out, int stride,
                                          int row, int rows, int lane) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float inverse = 1 / sumOverQuad(state.sum[r]);
    if (row + 8 * r < rows) {
      u32 *at = reinterpret_cast<u32 *>(out + (long long)(row + 8 * r) * stride + lane % 4 * 2);
#pragma unroll
      for (int i = 0; i < N; i += 4)
        at[i] = toBf16Pair(output[i + 2 * r] * inverse, output[i + 2 * r + 1] * inverse);
    }
  }
}

} // namespace sinter::cuda
