// SPDX-License-Identifier: Apache-2.0
// From what warps have found to a row of the output: the warps of a CTA meet in shared memory, CTAs that share a head
// in the workspace, where the last to arrive merges them all in order. So the same input gives the same bits.
#pragma once
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

/// The partial results of the CTAs that share a head: from CTA `first` on, `parts` of them. A CTA's first head is its
/// partial 0, another, which can only be its last, its partial 1.
struct DecodeParts {
  int first, parts;
  bool firstIsLater; ///< CTA `first` had other heads before
  __device__ __forceinline__ int partial(int part) const { return 2 * (first + part) + (part == 0 && firstIsLater); }
};

/// Workspace of one launch.
template <AttentionDecodeConfig C>
struct DecodeWorkspace {
  float *base;
  __device__ __forceinline__ float *out(int partial, int head) const {
    return base + ((long long)partial * C.group() + head) * C.headDim + threadIdx.x % 32 * DecodeRow<C>::width;
  }
  __device__ __forceinline__ float *sums(int partial, int head) const {
    return base + C.workspaceSumsAt() / 4 + (partial * C.group() + head) * 2;
  }
};

template <AttentionDecodeConfig C>
__device__ __forceinline__ void storePartial(const DecodeWorkspace<C> &workspace, int partial, int head,
                                             const DecodeRow<C> &row) {
  float *out = workspace.out(partial, head);
  if constexpr (DecodeRow<C>::width == 4)
    storeGlobal(out, toWords(row.out[0], row.out[1], row.out[2], row.out[3]));
  else
    storeGlobal(out, toWords(row.out[0], row.out[1]));
  if (threadIdx.x % 32 == 0)
    storeGlobal(workspace.sums(partial, head), toWords(row.max, row.sum));
}

template <AttentionDecodeConfig C>
__device__ __forceinline__ void loadPartial(float (&out)[DecodeRow<C>::width], const float *at) {
  if constexpr (DecodeRow<C>::width == 4) {
    U32x4 v = loadL2x4(at);
    out[0] = __uint_as_float(v.x), out[1] = __uint_as_float(v.y);
    out[2] = __uint_as_float(v.z), out[3] = __uint_as_float(v.w);
  } else {
    U32x2 v = loadL2x2(at);
    out[0] = __uint_as_float(v.x), out[1] = __uint_as_float(v.y);
  }
}

/// A head of the group over all CTAs, by one warp. Sixteen parts are on their way at once, and a lane weighs one of
/// them.
template <AttentionDecodeConfig C>
__device__ __forceinline__ DecodeRow<C> mergeParts(const DecodeWorkspace<C> &workspace, DecodeParts parts, int head) {
  constexpr int width = DecodeRow<C>::width, together = 16;
  int lane = int(threadIdx.x) % 32;
  DecodeRow<C> row;
#pragma unroll 1
  for (int base = 0; base < parts.parts; base += together) {
    U32x2 sums = toWords(minusInfinity(), 0);
    if (int part = base + lane % together; part < parts.parts)
      sums = loadL2x2(workspace.sums(parts.partial(part), head));
    float out[together][width] = {};
#pragma unroll
    for (int i = 0; i < together; ++i)
      if (base + i < parts.parts)
        loadPartial<C>(out[i], workspace.out(parts.partial(base + i), head));
    float most = fmaxf(row.max, maxOverWarp(__uint_as_float(sums.x)));
    float correction = exp2Approx(row.max - most), weight = exp2Approx(__uint_as_float(sums.x) - most);
    float weighted = sumOverLanes<together>(weight * __uint_as_float(sums.y));
    row.max = most;
    row.sum = row.sum * correction + weighted;
#pragma unroll
    for (int j = 0; j < width; ++j)
      row.out[j] *= correction;
#pragma unroll
    for (int i = 0; i < together; ++i) {
      float w = __shfl_sync(~0u, weight, i);
#pragma unroll
      for (int j = 0; j < width; ++j)
        row.out[j] += w * out[i][j];
    }
  }
  return row;
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
