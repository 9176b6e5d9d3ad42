// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes in two ymm registers (x86-64-v3: AVX2, FMA, F16C). Included by simd.h.
#pragma once

namespace sinter::cpu {

struct F32x16 {
  __m256 lo, hi;
};
/// Sixteen int32 lanes, or 64 bytes of codes: four consecutive k of sixteen rows.
struct I32x16 {
  __m256i lo, hi;
};

inline F32x16 splat(float f) { return {_mm256_set1_ps(f), _mm256_set1_ps(f)}; }
inline F32x16 zeroF() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline F32x16 load(const float *p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float *p, F32x16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
inline F32x16 operator+(F32x16 a, F32x16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline F32x16 operator-(F32x16 a, F32x16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline F32x16 operator*(F32x16 a, F32x16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline F32x16 operator/(F32x16 a, F32x16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
/// a * b + c, rounded once.
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline F32x16 abs(F32x16 a) {
  __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return {_mm256_and_ps(a.lo, mask), _mm256_and_ps(a.hi, mask)};
}
inline F32x16 round(F32x16 a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, mode), _mm256_round_ps(a.hi, mode)};
}
inline F32x16 reciprocal(F32x16 a) { return splat(1.0f) / a; }
/// 2^n of integral lanes in [-126, 127].
inline F32x16 powerOfTwo(F32x16 n) {
  auto half = [](__m256 h) {
    __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(h), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
  };
  return {half(n.lo), half(n.hi)};
}
// The reductions pair lanes as AVX-512's do, so that both give the same bits.
inline float reduceMax(F32x16 a) {
  __m256 m = _mm256_max_ps(a.lo, a.hi);
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_shuffle_ps(q, q, 1)));
}
inline float reduceAdd(F32x16 a) {
  __m256 m = _mm256_add_ps(a.hi, a.lo);
  __m128 q = _mm_add_ps(_mm256_extractf128_ps(m, 1), _mm256_castps256_ps128(m));
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}

inline I32x16 splatI(int32_t i) { return {_mm256_set1_epi32(i), _mm256_set1_epi32(i)}; }
inline I32x16 zeroI() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline I32x16 loadBytes(const void *p) {
  auto *q = static_cast<const __m256i *>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline void storeBytes(void *p, I32x16 a) {
  auto *q = static_cast<__m256i *>(p);
  _mm256_storeu_si256(q, a.lo);
  _mm256_storeu_si256(q + 1, a.hi);
}
inline I32x16 operator+(I32x16 a, I32x16 b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
inline I32x16 operator-(I32x16 a, I32x16 b) { return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)}; }
inline I32x16 operator&(I32x16 a, I32x16 b) { return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)}; }
inline I32x16 operator|(I32x16 a, I32x16 b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
inline I32x16 operator^(I32x16 a, I32x16 b) { return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)}; }
template <int n>
inline I32x16 shiftLeft(I32x16 a) {
  return {_mm256_slli_epi32(a.lo, n), _mm256_slli_epi32(a.hi, n)};
}
/// Logical.
template <int n>
inline I32x16 shiftRight(I32x16 a) {
  return {_mm256_srli_epi32(a.lo, n), _mm256_srli_epi32(a.hi, n)};
}
inline F32x16 toFloat(I32x16 a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
inline I32x16 toInt(F32x16 a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; } ///< nearest even
inline F32x16 asFloat(I32x16 a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }

/// Sixteen elements of another type, widened.
inline F32x16 loadHalf(const uint16_t *p) {
  auto *q = reinterpret_cast<const __m128i *>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
inline F32x16 loadBf16(const uint16_t *p) {
  auto half = [](const uint16_t *h) {
    __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i *>(h));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(b), 16));
  };
  return {half(p), half(p + 8)};
}
inline I32x16 loadU8(const uint8_t *p) {
  __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
  return {_mm256_cvtepu8_epi32(b), _mm256_cvtepu8_epi32(_mm_srli_si128(b, 8))};
}
inline I32x16 loadI8(const int8_t *p) {
  __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
  return {_mm256_cvtepi8_epi32(b), _mm256_cvtepi8_epi32(_mm_srli_si128(b, 8))};
}
inline void storeHalf(uint16_t *p, F32x16 a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  auto *q = reinterpret_cast<__m128i *>(p);
  _mm_storeu_si128(q, _mm256_cvtps_ph(a.lo, mode));
  _mm_storeu_si128(q + 1, _mm256_cvtps_ph(a.hi, mode));
}
inline void storeBf16(uint16_t *p, F32x16 a) {
  auto half = [](__m256 h) {
    __m256i bits = _mm256_castps_si256(h);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256 nan = _mm256_cmp_ps(h, h, _CMP_UNORD_Q);
    rounded = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(nan));
    return _mm256_srli_epi32(rounded, 16);
  };
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(half(a.lo), half(a.hi)), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), packed);
}
/// Lanes of both known to lie in [-128, 127], as 32 bytes in order.
inline __m256i packBytes(I32x16 a, I32x16 b) {
  __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a.lo, a.hi), _mm256_packs_epi32(b.lo, b.hi));
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

} // namespace sinter::cpu
