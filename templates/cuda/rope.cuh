// SPDX-License-Identifier: Apache-2.0
// Rotary embedding of two neighbouring pairs of a head: columns c, c + 1 and their partners half a head further on.
// Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/ptx/memory.cuh"

namespace sinter::cuda {

struct FloatPair {
  float low, high;
};

/// What columns c and c + 1 of a head, and their partners, are multiplied with.
struct RopeFactors {
  FloatPair cosine, sine, weight, partnerWeight;
};

__device__ __forceinline__ FloatPair constantPair(const float *p) {
  U32x2 v = loadConstantX2(p);
  return {__uint_as_float(v.x), __uint_as_float(v.y)};
}

/// `angles`: the position's row of the rope table; `weight`: of the head's RMSNorm, null without one.
template <int HeadDim>
__device__ __forceinline__ RopeFactors ropeFactors(const float *angles, const float *weight, int column) {
  RopeFactors f;
  f.cosine = constantPair(angles + column);
  f.sine = constantPair(angles + HeadDim / 2 + column);
  f.weight = weight ? constantPair(weight + column) : FloatPair{1, 1};
  f.partnerWeight = weight ? constantPair(weight + HeadDim / 2 + column) : FloatPair{1, 1};
  return f;
}

/// Norms and ropes columns c, c + 1 (`x`) and their partners (`y`); `scale`: the factor of the head's RMSNorm.
__device__ __forceinline__ U32x2 ropePair(u32 x, u32 y, float scale, const RopeFactors &f) {
  float a = lowBf16(x) * scale * f.weight.low, b = highBf16(x) * scale * f.weight.high;
  float c = lowBf16(y) * scale * f.partnerWeight.low, d = highBf16(y) * scale * f.partnerWeight.high;
  return {toBf16Pair(a * f.cosine.low - c * f.sine.low, b * f.cosine.high - d * f.sine.high),
          toBf16Pair(c * f.cosine.low + a * f.sine.low, d * f.cosine.high + b * f.sine.high)};
}

} // namespace sinter::cuda
