// SPDX-License-Identifier: Apache-2.0
// The quantized activation i8<g16, f32>: one contiguous record a token, so that a matmul reads everything it needs of
// a token from one place. Groups of 16 share a scale; two groups make a block, the 32 consecutive columns that weights
// come in. With B = K / 32 blocks, a record is, at a 64-byte aligned address:
//
//   int8    codes[K]         padded to 64 bytes
//   float   scales[2B]       max|x| / 127 of the group; x = scale * code
//   float   scaledSums[B]    sum of scale * code over the block: what a minimum of the weights multiplies
//   int32   negSums[2B]      -(sum of the group's codes): what an offset of unsigned codes multiplies
//
// Whoever produces a matmul's input (norms, attention, SwiGLU) calls quantizeRow, or quantizeBlock where it has 32
// consecutive columns at hand; both give the same numbers.
#pragma once
#include "templates/cpu/simd.h"

namespace sinter::cpu {

inline constexpr int64_t q8Block = 32; ///< columns of a block: rows have whole blocks
inline constexpr int64_t q8Group = 16; ///< columns that share a scale

constexpr size_t roundUp64(size_t bytes) { return (bytes + 63) / 64 * 64; }
/// Bytes of the record of K codes (a multiple of 32): also the stride from one token's record to the next.
constexpr size_t q8RecordBytes(int64_t k) { return roundUp64(roundUp64(size_t(k)) + size_t(k / q8Block) * 20); }

inline const int8_t *q8Codes(const std::byte *record) { return reinterpret_cast<const int8_t *>(record); }
inline const float *q8Scales(const std::byte *record, int64_t k) {
  return reinterpret_cast<const float *>(record + roundUp64(size_t(k)));
}
inline const float *q8ScaledSums(const std::byte *record, int64_t k) { return q8Scales(record, k) + k / q8Group; }
inline const int32_t *q8NegSums(const std::byte *record, int64_t k) {
  return reinterpret_cast<const int32_t *>(q8ScaledSums(record, k) + k / q8Block);
}

/// Sums of the two halves of 32 signed bytes, in lanes 0 and 1.
inline __m128i halfSums(__m256i codes) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
  __m256i quads = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  __m128i sums = _mm_hadd_epi32(_mm256_castsi256_si128(quads), _mm256_extracti128_si256(quads, 1));
  return _mm_hadd_epi32(sums, sums);
}

/// Scale and inverse scale of a group with this largest magnitude; below 1e-30 the group becomes zero.
struct Q8Scale {
  float scale, inverse;
  explicit Q8Scale(float largest)
      : scale(largest < 1e-30f ? 0.0f : largest / 127.0f), inverse(largest < 1e-30f ? 0.0f : 127.0f / largest) {}
};

/// Writes block `b` of a token's record of K codes: groups `x` and `y`. Codes are rounded to nearest even.
inline void quantizeBlock(F32x16 x, F32x16 y, int64_t k, int64_t b, std::byte *record) {
  Q8Scale first(reduceMax(abs(x))), second(reduceMax(abs(y)));
  __m256i codes = packBytes(toInt(x * splat(first.inverse)), toInt(y * splat(second.inverse)));
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(record + b * q8Block), codes);
  __m128i sums = halfSums(codes);
  auto *scales = const_cast<float *>(q8Scales(record, k)) + 2 * b;
  scales[0] = first.scale;
  scales[1] = second.scale;
  const_cast<float *>(q8ScaledSums(record, k))[b] =
      __builtin_fmaf(second.scale, float(_mm_extract_epi32(sums, 1)), first.scale * float(_mm_cvtsi128_si32(sums)));
  _mm_storel_epi64(reinterpret_cast<__m128i *>(const_cast<int32_t *>(q8NegSums(record, k)) + 2 * b),
                   _mm_sub_epi32(_mm_setzero_si128(), sums));
}
inline void quantizeBlock(const float *x, int64_t k, int64_t b, std::byte *record) {
  quantizeBlock(load(x), load(x + lanes), k, b, record);
}

/// Quantizes a row of K floats (a multiple of 32) into its record.
inline void quantizeRow(const float *x, int64_t k, std::byte *record) {
  for (int64_t b = 0; b < k / q8Block; ++b)
    quantizeBlock(x + b * q8Block, k, b, record);
}

} // namespace sinter::cpu
