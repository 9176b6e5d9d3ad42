// SPDX-License-Identifier: Apache-2.0
// bfloat16: two to a word, the first in the low half. Rounded to nearest even.
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

__device__ __forceinline__ float lowBf16(u32 pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float highBf16(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

__device__ __forceinline__ u16 toBf16(float v) {
  u16 h;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(v));
  return h;
}

__device__ __forceinline__ u32 toBf16Pair(float low, float high) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

/// The sum of the squares of two, or of eight.
__device__ __forceinline__ float squaresOf(u32 pair) {
  return lowBf16(pair) * lowBf16(pair) + highBf16(pair) * highBf16(pair);
}
__device__ __forceinline__ float squaresOf(const U32x4 &v) {
  return squaresOf(v.x) + squaresOf(v.y) + squaresOf(v.z) + squaresOf(v.w);
}

} // namespace sinter::cuda
