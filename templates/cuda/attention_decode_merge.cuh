// SPDX-License-Identifier: Apache-2.0
// From what warps have found to a row of the output: the warps of a CTA meet in shared memory, and CTAs that share a
// head in global memory, where each but the last of them leaves its part in words of arrival_words.cuh. The last waits
// for them and clears them; only ever for CTAs before it, so it does not matter how many run at once. Parts are summed
// in their order: the same input gives the same bits.
#pragma once
#include "templates/cuda/arrival_words.cuh"
#include "templates/cuda/attention_decode_slice.cuh"
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// A lane's columns of a row, `width` from lane * width on, with the row's maximum and sum of weights.
template <AttentionDecodeConfig C>
struct DecodeRow {
  static constexpr int width = C.headDim / 32;
  float out[width] = {};
  float max = minusInfinity(), sum = 0;
};

/// Puts this warp's heads 8 `part` to 8 `part` + 7 of the group into shared memory.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void shareState(const DecodeState<C> &state, int part, char *shared) {
  int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    int head = lane % 4 * 2 + i, at = warp * C.sharedHeads() + head;
    float sum = sumOverColumn(state.sum[part][i]);
    if (part * 8 + head >= C.group())
      continue;
    float *out = reinterpret_cast<float *>(shared + C.partialsAt()) + at * C.rowStride() + lane / 4;
#pragma unroll
    for (int j = 0; j < C.headDim / 16; ++j) {
      out[j * 16] = state.out[part][j][i];
      out[j * 16 + 8] = state.out[part][j][2 + i];
    }
    float *sums = reinterpret_cast<float *>(shared + C.sumsAt()) + at * 2;
    if (lane < 4) {
      sums[0] = state.max[part][i];
      sums[1] = sum;
    }
  }
}

/// A head, counted from 8 `part`, over all warps.
template <AttentionDecodeConfig C>
__device__ __forceinline__ DecodeRow<C> mergeWarps(const char *shared, int head) {
  const float *out = reinterpret_cast<const float *>(shared + C.partialsAt()) + head * C.rowStride() +
                     threadIdx.x % 32 * DecodeRow<C>::width;
  const float *sums = reinterpret_cast<const float *>(shared + C.sumsAt()) + head * 2;
  DecodeRow<C> row;
  row.max = sums[0];
#pragma unroll
  for (int warp = 1; warp < C.warps; ++warp)
    row.max = fmaxf(row.max, sums[warp * C.sharedHeads() * 2]);
#pragma unroll
  for (int warp = 0; warp < C.warps; ++warp) {
    float weight = exp2Approx(sums[warp * C.sharedHeads() * 2] - row.max);
    row.sum += weight * sums[warp * C.sharedHeads() * 2 + 1];
#pragma unroll
    for (int i = 0; i < DecodeRow<C>::width; ++i)
      row.out[i] += weight * out[warp * C.sharedHeads() * C.rowStride() + i];
  }
  return row;
}

/// A head of a sequence that a CTA has units of, and CTAs `first` to `last` share.
struct DecodeHead {
  int first, last;
  int row; ///< of the output, in heads: the group's first
};

/// Keeps a row of the group in shared memory, for the same warp.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void holdRow(char *shared, int row, const DecodeRow<C> &r) {
  *(reinterpret_cast<DecodeRow<C> *>(shared + C.heldAt()) + row * 32 + threadIdx.x % 32) = r;
}
template <AttentionDecodeConfig C>
__device__ __forceinline__ DecodeRow<C> heldRow(const char *shared, int row) {
  return *(reinterpret_cast<const DecodeRow<C> *>(shared + C.heldAt()) + row * 32 + threadIdx.x % 32);
}

/// Where a CTA leaves this lane's columns of a row of the group, and the row's maximum and sum of weights.
template <AttentionDecodeConfig C>
struct DecodeMail {
  u32 *out, *sums;
  __device__ __forceinline__ DecodeMail(u32 *mail, int cta, int row)
      : out(mail + (cta * C.mailWords() + row * C.mailRowWords() + int(threadIdx.x) % 32 * DecodeRow<C>::width)),
        sums(mail + (cta * C.mailWords() + row * C.mailRowWords() + C.headDim)) {}
};

template <AttentionDecodeConfig C>
__device__ __forceinline__ void sendRow(u32 *mail, int cta, int row, const DecodeRow<C> &r) {
  DecodeMail<C> to(mail, cta, row);
  if constexpr (DecodeRow<C>::width == 4)
    storeRelaxed(to.out, U32x4{presentOdd(r.out[0]), presentOdd(r.out[1]), presentOdd(r.out[2]), presentOdd(r.out[3])});
  else
    storeRelaxed(to.out, U32x2{presentOdd(r.out[0]), presentOdd(r.out[1])});
  if (threadIdx.x % 32 == 0)
    storeRelaxed(to.sums, U32x2{presentOdd(r.max), presentOdd(r.sum)});
}

/// This CTA's part of a row, with what CTAs `first` to `last` - 1 leave of it: taken out of the mail as soon as they
/// are there, some at once. A lane waits for one of them, and weighs it.
template <AttentionDecodeConfig C>
__device__ __forceinline__ DecodeRow<C> mergeMail(u32 *mail, int first, int last, int row, DecodeRow<C> r) {
  constexpr int width = DecodeRow<C>::width, together = C.partsTogether();
  constexpr Words<width> nothing = presentZeros<width>();
  int lane = int(threadIdx.x) % together;
#pragma unroll 1
  for (int base = first; base < last; base += together) {
    DecodeMail<C> from(mail, base, row);
    bool mine = base + lane < last;
    U32x2 sums{__float_as_uint(minusInfinity()), 1};
    u32 *at = from.sums + lane * C.mailWords();
    if constexpr (together > 4) // many are asked for once they are there
      do
        loadRelaxedIf(mine, sums, at);
      while (__any_sync(~0u, absent(sums)));
    Words<width> out[together];
    bool wait;
    do {
      loadRelaxedIf(mine, sums, at);
#pragma unroll
      for (int i = 0; i < together; ++i) {
        out[i] = nothing;
        loadRelaxedIf(base + i < last, out[i], from.out + i * C.mailWords());
      }
      wait = absent(sums);
#pragma unroll
      for (int i = 0; i < together; ++i)
        wait |= absent(out[i]);
    } while (__any_sync(~0u, wait));
    if (mine)
      storeGlobal(at, U32x2{});
#pragma unroll
    for (int i = 0; i < together; ++i)
      if (base + i < last)
        storeGlobal(from.out + i * C.mailWords(), Words<width>{});
    float most = fmaxf(r.max, maxOverWarp(__uint_as_float(sums.x)));
    float correction = exp2Approx(r.max - most), weight = exp2Approx(__uint_as_float(sums.x) - most);
    r.max = most;
    r.sum = r.sum * correction + sumOverLanes<together>(weight * __uint_as_float(sums.y));
#pragma unroll
    for (int j = 0; j < width; ++j)
      r.out[j] *= correction;
#pragma unroll
    for (int i = 0; i < together; ++i) {
      float w = __shfl_sync(~0u, weight, i), columns[width];
      toFloats(columns, out[i]);
#pragma unroll
      for (int j = 0; j < width; ++j)
        r.out[j] += w * columns[j];
    }
  }
  return r;
}

/// Writes a head's row of the output.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void storeRow(u16 *out, const DecodeRow<C> &row) {
  float factor = 1 / row.sum;
  u32 *at = reinterpret_cast<u32 *>(out + threadIdx.x % 32 * DecodeRow<C>::width);
#pragma unroll
  for (int i = 0; i < DecodeRow<C>::width / 2; ++i)
    at[i] = toBf16Pair(row.out[2 * i] * factor, row.out[2 * i + 1] * factor);
}

} // namespace sinter::cuda
