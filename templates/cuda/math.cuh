// SPDX-License-Identifier: Apache-2.0
// Arithmetic that several kernels share, so that they agree in every bit.
#pragma once
#include "templates/cuda/ptx/arithmetic.cuh"
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

inline constexpr float log2OfE = 1.4426950408889634f; ///< softmax runs on powers of two

__device__ __forceinline__ float minusInfinity() { return -__int_as_float(0x7f800000); }
__device__ __forceinline__ float quietNan() { return __int_as_float(0x7fffffff); }

__device__ __forceinline__ float silu(float v) { return v / (1 + __expf(-v)); }

/// What RMSNorm multiplies a row of `size` with; `squares`: the sum of its squares.
/// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019
__device__ __forceinline__ float normFactor(float squares, int size, float eps) { return rsqrtf(squares / size + eps); }

/// Floats as the words that vector loads and stores move.
__device__ __forceinline__ U32x2 toWords(float a, float b) { return {__float_as_uint(a), __float_as_uint(b)}; }
__device__ __forceinline__ U32x4 toWords(float a, float b, float c, float d) {
  return {__float_as_uint(a), __float_as_uint(b), __float_as_uint(c), __float_as_uint(d)};
}
__device__ __forceinline__ void toFloats(float (&out)[2], U32x2 v) {
  out[0] = __uint_as_float(v.x), out[1] = __uint_as_float(v.y);
}
__device__ __forceinline__ void toFloats(float (&out)[4], U32x4 v) {
  out[0] = __uint_as_float(v.x), out[1] = __uint_as_float(v.y);
  out[2] = __uint_as_float(v.z), out[3] = __uint_as_float(v.w);
}

} // namespace sinter::cuda
