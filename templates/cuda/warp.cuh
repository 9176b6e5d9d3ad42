// SPDX-License-Identifier: Apache-2.0
// What the lanes of a warp find out together by shuffles, always in the same order: sums, the largest, prefix sums. All
// lanes of the warp take part.
#pragma once

namespace sinter::cuda {

/// The sum over each `Lanes` neighbouring lanes, a power of two, to all of them.
template <int Lanes = 32>
__device__ __forceinline__ float sumOverLanes(float v) {
#pragma unroll
  for (int offset = Lanes / 2; offset; offset /= 2)
    v += __shfl_xor_sync(~0u, v, offset);
  return v;
}

/// The sums of several values over the warp, side by side.
template <int Count>
__device__ __forceinline__ void sumsOverLanes(float (&v)[Count]) {
#pragma unroll
  for (int offset = 16; offset; offset /= 2)
#pragma unroll
    for (int i = 0; i < Count; ++i)
      v[i] += __shfl_xor_sync(~0u, v[i], offset);
}

/// The largest of the warp.
__device__ __forceinline__ float maxOverWarp(float v) {
#pragma unroll
  for (int offset = 16; offset; offset /= 2)
    v = fmaxf(v, __shfl_xor_sync(~0u, v, offset));
  return v;
}

/// The sum over the four lanes that hold a row of an accumulator of mma or wgmma, neighbours first.
__device__ __forceinline__ float sumOverQuad(float v) {
  v += __shfl_xor_sync(~0u, v, 1);
  return v + __shfl_xor_sync(~0u, v, 2);
}
__device__ __forceinline__ float maxOverQuad(float v) {
  v = fmaxf(v, __shfl_xor_sync(~0u, v, 1));
  return fmaxf(v, __shfl_xor_sync(~0u, v, 2));
}

/// The same over the eight lanes that hold a column of an accumulator of mma.
__device__ __forceinline__ float sumOverColumn(float v) {
  v += __shfl_xor_sync(~0u, v, 4);
  v += __shfl_xor_sync(~0u, v, 8);
  return v + __shfl_xor_sync(~0u, v, 16);
}
__device__ __forceinline__ float maxOverColumn(float v) {
  v = fmaxf(v, __shfl_xor_sync(~0u, v, 4));
  v = fmaxf(v, __shfl_xor_sync(~0u, v, 8));
  return fmaxf(v, __shfl_xor_sync(~0u, v, 16));
}

/// The sum over this lane, `lane`, and those before it.
template <typename T>
__device__ __forceinline__ T prefixSum(T v, int lane) {
#pragma unroll
  for (int offset = 1; offset < 32; offset *= 2) {
    T before = __shfl_up_sync(~0u, v, offset);
    v += lane >= offset ? before : 0;
  }
  return v;
}

} // namespace sinter::cuda
