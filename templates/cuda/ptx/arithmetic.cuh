// SPDX-License-Identifier: Apache-2.0
// Powers of two, maxima, and rounding to bfloat16.
// Source: PTX ISA 9.0, "Floating Point Instructions": ex2, max, mul; "Data Movement and Conversion Instructions": cvt
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// 2^v within 2 units in the last place; 0 for -inf.
__device__ __forceinline__ float exp2Approx(float v) {
  float e;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(v));
  return e;
}

/// Rounded to nearest even.
__device__ __forceinline__ u16 toBf16(float v) {
  u16 h;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(v));
  return h;
}

/// Two in a word, the first in the low half.
__device__ __forceinline__ u32 toBf16Pair(float low, float high) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

/// The larger; NaN if either is.
__device__ __forceinline__ float maxOrNan(float a, float b) {
  float v;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(v) : "f"(a), "f"(b));
  return v;
}

/// Products of two pairs of bfloat16, each rounded to nearest even. sm_90.
__device__ __forceinline__ u32 multiplyPairs(u32 a, u32 b) {
  u32 products;
  asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(products) : "r"(a), "r"(b));
  return products;
}

} // namespace sinter::cuda
