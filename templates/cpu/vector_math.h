// SPDX-License-Identifier: Apache-2.0
// What norms, RoPE and attention need beyond simd.h: parts of a vector at the end of a row, and 2^x.
#pragma once
#include "templates/cpu/simd.h"

namespace sinter::cpu {

/// The first n floats at p, zeros behind them. Reads nothing else.
inline F32x16 loadFirst(const float *p, int n) {
#if SINTER_AVX512
  return {_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p)};
#else
  __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane)),
          n <= 8 ? _mm256_setzero_ps() : _mm256_maskload_ps(p + 8, _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 8), lane))};
#endif
}

/// Writes the first n lanes and nothing else.
inline void storeFirst(float *p, F32x16 a, int n) {
#if SINTER_AVX512
  _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), a.v);
#else
  __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane), a.lo);
  if (n > 8)
    _mm256_maskstore_ps(p + 8, _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 8), lane), a.hi);
#endif
}

/// Lanes below n of `a`, `other` elsewhere; n may lie outside [0, 16].
inline F32x16 firstLanes(int n, F32x16 a, F32x16 other) {
#if SINTER_AVX512
  __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return {_mm512_mask_mov_ps(other.v, _mm512_cmplt_epi32_mask(lane, _mm512_set1_epi32(n)), a.v)};
#else
  __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  auto half = [&](int count, __m256 x, __m256 y) {
    return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane)));
  };
  return {half(n, a.lo, other.lo), half(n - 8, a.hi, other.hi)};
#endif
}

/// 2^x for x <= 127, by a polynomial of the given degree on [-1/2, 1/2]; below 2^-126 the result is that power.
/// Relative error: degree 5 1.5e-7, degree 3 1.0e-4; both exact at integers.
template <int degree>
inline F32x16 exp2(F32x16 x) {
  static_assert(degree == 3 || degree == 5);
  x = max(x, splat(-126.0f));
  F32x16 n = round(x), r = x - n, p;
  if constexpr (degree == 5) {
    p = fma(splat(1.3264725e-3f), r, splat(9.6715127e-3f));
    p = fma(p, r, splat(5.5507337e-2f));
    p = fma(p, r, splat(2.4022242e-1f));
    p = fma(p, r, splat(6.9314698e-1f));
  } else {
    p = fma(splat(5.5008929e-2f), r, splat(2.4221096e-1f));
    p = fma(p, r, splat(6.9328293e-1f));
  }
  p = fma(p, r, splat(1.0f));
#if SINTER_AVX512
  return {_mm512_scalef_ps(p.v, n.v)};
#else
  return p * powerOfTwo(n);
#endif
}

} // namespace sinter::cpu
