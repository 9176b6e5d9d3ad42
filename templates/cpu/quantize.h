// SPDX-License-Identifier: Apache-2.0
// The quantized activation i8<g32, f32>: one contiguous record a token, so that a matmul reads everything it needs of
// a token from one place. With G = K / 32 groups, a record is, at a 64-byte aligned address:
//
//   int8    codes[K]         padded to 64 bytes
//   float   scales[G]        max|x| / 127 of the group; x = scale * code
//   float   scaledSums[G]    scale * sum of the group's codes: what a minimum of the weights multiplies
//   int32   negSums[G]       -(sum of the group's codes): what an offset of unsigned codes multiplies
//   int32   negHalfSums[2G]  the same for groups of 16
//
// Whoever produces a matmul's input (norms, attention, SwiGLU) calls quantizeRow, or quantizeGroup where it has 32
// consecutive columns at hand; both give the same numbers.
#pragma once
#include "templates/cpu/simd.h"

namespace sinter::cpu {

inline constexpr int64_t q8Group = 32;

constexpr size_t roundUp64(size_t bytes) { return (bytes + 63) / 64 * 64; }
/// Bytes of the record of K codes (a multiple of 32): also the stride from one token's record to the next.
constexpr size_t q8RecordBytes(int64_t k) { return roundUp64(roundUp64(size_t(k)) + size_t(k / q8Group) * 20); }

inline const int8_t *q8Codes(const std::byte *record) { return reinterpret_cast<const int8_t *>(record); }
inline const float *q8Scales(const std::byte *record, int64_t k) {
  return reinterpret_cast<const float *>(record + roundUp64(size_t(k)));
}
inline const float *q8ScaledSums(const std::byte *record, int64_t k) { return q8Scales(record, k) + k / q8Group; }
inline const int32_t *q8NegSums(const std::byte *record, int64_t k) {
  return reinterpret_cast<const int32_t *>(q8ScaledSums(record, k) + k / q8Group);
}
inline const int32_t *q8NegHalfSums(const std::byte *record, int64_t k) { return q8NegSums(record, k) + k / q8Group; }

/// Sums of the two halves of 32 signed bytes, in lanes 0 and 1.
inline __m128i halfSums(__m256i codes) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
  __m256i quads = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  __m128i sums = _mm_hadd_epi32(_mm256_castsi256_si128(quads), _mm256_extracti128_si256(quads, 1));
  return _mm_hadd_epi32(sums, sums);
}

/// Writes group `g` of a token's record of K codes: the 32 values of `a` and `b`. Codes are rounded to nearest even; a
/// group whose largest magnitude is below 1e-30 becomes zero.
inline void quantizeGroup(F32x16 a, F32x16 b, int64_t k, int64_t g, std::byte *record) {
  float largest = reduceMax(max(abs(a), abs(b)));
  bool zero = largest < 1e-30f;
  float scale = zero ? 0.0f : largest / 127.0f;
  F32x16 inverse = splat(zero ? 0.0f : 127.0f / largest);
  __m256i codes = packBytes(toInt(a * inverse), toInt(b * inverse));
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(record + g * q8Group), codes);
  __m128i halves = halfSums(codes);
  __m128i negHalves = _mm_sub_epi32(_mm_setzero_si128(), halves);
  int32_t negSum = _mm_cvtsi128_si32(_mm_hadd_epi32(negHalves, negHalves));
  const_cast<float *>(q8Scales(record, k))[g] = scale;
  const_cast<float *>(q8ScaledSums(record, k))[g] = scale * float(-negSum);
  const_cast<int32_t *>(q8NegSums(record, k))[g] = negSum;
  _mm_storel_epi64(reinterpret_cast<__m128i *>(const_cast<int32_t *>(q8NegHalfSums(record, k)) + 2 * g), negHalves);
}
inline void quantizeGroup(const float *x, int64_t k, int64_t g, std::byte *record) {
  quantizeGroup(load(x), load(x + lanes), k, g, record);
}

/// Quantizes a row of K floats (a multiple of 32) into its record.
inline void quantizeRow(const float *x, int64_t k, std::byte *record) {
  for (int64_t g = 0; g < k / q8Group; ++g)
    quantizeGroup(x + g * q8Group, k, g, record);
}

} // namespace sinter::cpu
