// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes, whatever the machine: one zmm register with AVX-512, two ymm registers with AVX2. Kernels are written
// once over these thin wrappers; the flags of the target (-march=...) choose the instructions.
#pragma once
#include "templates/cpu/scalar.h"
#include <cstddef>
#include <cstdint>
#include <cstring>

// GCC 12 takes the intrinsics' own undefined() for uninitialized variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

namespace sinter::cpu {

inline constexpr int lanes = 16;

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define SINTER_AVX512 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define SINTER_AVX512 0
#else
#error "CPU kernels need AVX2, FMA and F16C (x86-64-v3) at least"
#endif

} // namespace sinter::cpu

#if SINTER_AVX512
#include "templates/cpu/simd_avx512.h"
#else
#include "templates/cpu/simd_avx2.h"
#endif

namespace sinter::cpu {

/// exp(x), relative error below 2e-7 for x in [-87, 88]; clamped outside. The same bits in every lane and on every ISA.
inline F32x16 exp(F32x16 x) {
  x = min(max(x, splat(-87.33654f)), splat(88.37626f));
  F32x16 n = round(x * splat(1.44269504f));
  F32x16 r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  F32x16 p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r + splat(1.0f));
  return p * powerOfTwo(n);
}

/// x * sigmoid(x).
inline F32x16 silu(F32x16 x) { return x * reciprocal(splat(1.0f) + exp(splat(0.0f) - x)); }

} // namespace sinter::cpu
