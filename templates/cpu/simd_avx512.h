// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes in one zmm register (x86-64-v4: AVX-512 F, BW, DQ, VL). Included by simd.h.
#pragma once

namespace sinter::cpu {

struct F32x16 {
  __m512 v;
};
/// Sixteen int32 lanes, or 64 bytes of codes: four consecutive k of sixteen rows.
struct I32x16 {
  __m512i v;
};

inline F32x16 splat(float f) { return {_mm512_set1_ps(f)}; }
inline F32x16 zeroF() { return {_mm512_setzero_ps()}; }
inline F32x16 load(const float *p) { return {_mm512_loadu_ps(p)}; }
inline void store(float *p, F32x16 a) { _mm512_storeu_ps(p, a.v); }
inline F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
/// a * b + c, rounded once.
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F32x16 abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
inline F32x16 round(F32x16 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
/// 1 / a within 2e-7 relative, at a fraction of a division's cost.
inline F32x16 reciprocal(F32x16 a) {
  __m512 r = _mm512_rcp14_ps(a.v);
  return {_mm512_fmadd_ps(r, _mm512_fnmadd_ps(a.v, r, _mm512_set1_ps(1.0f)), r)};
}
/// 2^n of integral lanes in [-126, 127].
inline F32x16 powerOfTwo(F32x16 n) {
  __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(e, 23))};
}
inline float reduceMax(F32x16 a) { return _mm512_reduce_max_ps(a.v); }
inline float reduceAdd(F32x16 a) { return _mm512_reduce_add_ps(a.v); }

inline I32x16 splatI(int32_t i) { return {_mm512_set1_epi32(i)}; }
inline I32x16 zeroI() { return {_mm512_setzero_si512()}; }
inline I32x16 loadBytes(const void *p) { return {_mm512_loadu_si512(p)}; }
inline void storeBytes(void *p, I32x16 a) { _mm512_storeu_si512(p, a.v); }
inline I32x16 operator+(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I32x16 operator-(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline I32x16 operator&(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
inline I32x16 operator|(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
inline I32x16 operator^(I32x16 a, I32x16 b) { return {_mm512_xor_si512(a.v, b.v)}; }
template <int n>
inline I32x16 shiftLeft(I32x16 a) {
  return {_mm512_slli_epi32(a.v, n)};
}
/// Logical.
template <int n>
inline I32x16 shiftRight(I32x16 a) {
  return {_mm512_srli_epi32(a.v, n)};
}
inline F32x16 toFloat(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline I32x16 toInt(F32x16 a) { return {_mm512_cvtps_epi32(a.v)}; } ///< rounds to nearest even
inline F32x16 asFloat(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }

/// Sixteen elements of another type, widened.
inline F32x16 loadHalf(const uint16_t *p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)))};
}
inline F32x16 loadBf16(const uint16_t *p) {
  __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16))};
}
inline I32x16 loadU8(const uint8_t *p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)))};
}
inline I32x16 loadI8(const int8_t *p) {
  return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)))};
}
inline void storeHalf(uint16_t *p, F32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(p),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void storeBf16(uint16_t *p, F32x16 a) {
  __m512i bits = _mm512_castps_si512(a.v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
}
/// Lanes of both known to lie in [-128, 127], as 32 bytes in order.
inline __m256i packBytes(I32x16 a, I32x16 b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi32_epi8(a.v)), _mm512_cvtepi32_epi8(b.v), 1);
}

} // namespace sinter::cpu
