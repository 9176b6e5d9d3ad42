// SPDX-License-Identifier: Apache-2.0
// bfloat16: two to a word, the first in the low half. To bfloat16: ptx/arithmetic.cuh.
#pragma once
#include "templates/cuda/ptx/arithmetic.cuh"
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

__device__ __forceinline__ float lowBf16(u32 pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float highBf16(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

/// The sum of the squares of two, or of eight.
__device__ __forceinline__ float squaresOf(u32 pair) {
  return lowBf16(pair) * lowBf16(pair) + highBf16(pair) * highBf16(pair);
}
__device__ __forceinline__ float squaresOf(const U32x4 &v) {
  return squaresOf(v.x) + squaresOf(v.y) + squaresOf(v.z) + squaresOf(v.w);
}

} // namespace sinter::cuda
