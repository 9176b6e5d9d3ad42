// SPDX-License-Identifier: Apache-2.0
// Eight groups of the quantized activation of quantize.h at once, with AVX-512: the same bytes as quantizeGroup, in a
// sixth of the time, because the reductions and divisions of eight groups share their instructions.
#pragma once
#include "templates/cpu/quantize.h"

namespace sinter::cpu {

#if SINTER_AVX512
/// What eight groups become. Group i has scales[i] and sums[i], its halves sums 2 i and 2 i + 1 of halfSums, and its
/// codes in half i % 2 of codes[i / 2].
struct EightGroups {
  __m512i codes[4];
  __m256 scales;
  __m256i sums;
  __m512i halfSums;
};

/// The largest lane of each of eight vectors.
inline __m256 largestOfEight(const __m512 *v) {
  __m512 halves[4]; // [v_i, v_i+4], eight lanes each
  for (int i = 0; i < 4; ++i)
    halves[i] = _mm512_max_ps(_mm512_shuffle_f32x4(v[i], v[i + 4], 0x44), _mm512_shuffle_f32x4(v[i], v[i + 4], 0xee));
  auto pairs = [](__m512 a, __m512 b) { return _mm512_max_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)); };
  __m512d even = _mm512_castps_pd(pairs(halves[0], halves[1])), odd = _mm512_castps_pd(pairs(halves[2], halves[3]));
  __m512 quads =
      _mm512_max_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(even, odd)), _mm512_castpd_ps(_mm512_unpackhi_pd(even, odd)));
  __m512 all = _mm512_max_ps(quads, _mm512_shuffle_f32x4(quads, quads, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm512_castps512_ps256(_mm512_shuffle_f32x4(all, all, _MM_SHUFFLE(2, 0, 2, 0)));
}

/// Sums of the sixteen halves of eight groups. In codes[i], dword 4 * part + half holds four codes of that half.
inline __m512i sumHalves(const __m512i *codes) {
  __m512i parts[4];
  for (int i = 0; i < 4; ++i)
    parts[i] = _mm512_madd_epi16(_mm512_maddubs_epi16(_mm512_set1_epi8(1), codes[i]), _mm512_set1_epi16(1));
  auto fold = [](__m512i a, __m512i b) {
    return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
  };
  return fold(fold(parts[0], parts[1]), fold(parts[2], parts[3]));
}

/// groups[i] points at the 32 floats of group i.
inline EightGroups encodeEight(const float *const *groups) {
  __m512 magnitudes[8];
  for (int i = 0; i < 8; ++i)
    magnitudes[i] = max(abs(load(groups[i])), abs(load(groups[i] + lanes))).v;
  __m256 largest = largestOfEight(magnitudes), limit = _mm256_set1_ps(127.0f);
  __mmask8 nonzero = _mm256_cmp_ps_mask(largest, _mm256_set1_ps(1e-30f), _CMP_NLT_UQ);
  alignas(32) float inverses[8];
  _mm256_store_ps(inverses, _mm256_maskz_div_ps(nonzero, limit, largest));

  EightGroups out;
  out.scales = _mm256_maskz_div_ps(nonzero, largest, limit);
  for (int i = 0; i < 4; ++i) {
    __m512i words[2];
    for (int j = 0; j < 2; ++j) {
      const float *x = groups[2 * i + j];
      F32x16 inverse = splat(inverses[2 * i + j]);
      words[j] = _mm512_packs_epi32(toInt(load(x) * inverse).v, toInt(load(x + lanes) * inverse).v);
    }
    out.codes[i] = _mm512_packs_epi16(words[0], words[1]);
  }
  out.halfSums = sumHalves(out.codes);
  out.sums = _mm512_cvtepi64_epi32(_mm512_add_epi32(out.halfSums, _mm512_srli_epi64(out.halfSums, 32)));
  __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (__m512i &codes : out.codes)
    codes = _mm512_permutexvar_epi32(order, codes);
  return out;
}

/// Groups g .. g + 7 of one record, from 256 consecutive floats.
inline void quantizeEight(const float *x, int64_t k, int64_t g, std::byte *record) {
  const float *groups[8];
  for (int i = 0; i < 8; ++i)
    groups[i] = x + i * q8Group;
  EightGroups e = encodeEight(groups);
  for (int i = 0; i < 4; ++i)
    _mm512_storeu_si512(const_cast<int8_t *>(q8Codes(record)) + (g + 2 * i) * q8Group, e.codes[i]);
  _mm256_storeu_ps(const_cast<float *>(q8Scales(record, k)) + g, e.scales);
  _mm256_storeu_ps(const_cast<float *>(q8ScaledSums(record, k)) + g,
                   _mm256_mul_ps(e.scales, _mm256_cvtepi32_ps(e.sums)));
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(const_cast<int32_t *>(q8NegSums(record, k)) + g),
                      _mm256_sub_epi32(_mm256_setzero_si256(), e.sums));
  _mm512_storeu_si512(const_cast<int32_t *>(q8NegHalfSums(record, k)) + 2 * g,
                      _mm512_sub_epi32(_mm512_setzero_si512(), e.halfSums));
}
#endif

/// quantizeRow, by eights where the row has them; the last eight overlap those before them.
inline void quantizeWholeRow(const float *x, int64_t k, std::byte *record) {
#if SINTER_AVX512
  int64_t groups = k / q8Group;
  if (groups >= 8) {
    for (int64_t g = 0; g < groups; g += 8) {
      int64_t first = g + 8 <= groups ? g : groups - 8;
      quantizeEight(x + first * q8Group, k, first, record);
    }
    return;
  }
#endif
  quantizeRow(x, k, record);
}

/// Groups of many records of K codes, gathered until there are eight. The floats of a group must stay where they are
/// until then, or until finish().
class GroupBatch {
public:
  explicit GroupBatch(int64_t k) : k(k) {}
  GroupBatch(const GroupBatch &) = delete;
  ~GroupBatch() { finish(); }

  void add(const float *x, int64_t g, std::byte *record) {
    groups[count] = x;
    indices[count] = g;
    records[count++] = record;
    if (count == 8)
      finish();
  }
  void finish() {
#if SINTER_AVX512
    if (count == 8)
      return writeEight();
#endif
    for (int i = 0; i < count; ++i)
      quantizeGroup(groups[i], k, indices[i], records[i]);
    count = 0;
  }

private:
#if SINTER_AVX512
  void writeEight() {
    EightGroups e = encodeEight(groups);
    alignas(64) int32_t sums[8], halfSums[16];
    alignas(32) float scales[8], scaledSums[8];
    _mm256_store_si256(reinterpret_cast<__m256i *>(sums), _mm256_sub_epi32(_mm256_setzero_si256(), e.sums));
    _mm512_store_si512(halfSums, _mm512_sub_epi32(_mm512_setzero_si512(), e.halfSums));
    _mm256_store_ps(scales, e.scales);
    _mm256_store_ps(scaledSums, _mm256_mul_ps(e.scales, _mm256_cvtepi32_ps(e.sums)));
    for (int i = 0; i < 8; ++i) {
      __m256i codes = i % 2 ? _mm512_extracti64x4_epi64(e.codes[i / 2], 1) : _mm512_castsi512_si256(e.codes[i / 2]);
      std::byte *record = records[i];
      std::memcpy(const_cast<int8_t *>(q8Codes(record)) + indices[i] * q8Group, &codes, 32);
      const_cast<float *>(q8Scales(record, k))[indices[i]] = scales[i];
      const_cast<float *>(q8ScaledSums(record, k))[indices[i]] = scaledSums[i];
      const_cast<int32_t *>(q8NegSums(record, k))[indices[i]] = sums[i];
      std::memcpy(const_cast<int32_t *>(q8NegHalfSums(record, k)) + 2 * indices[i], halfSums + 2 * i, 8);
    }
    count = 0;
  }
#endif

  int64_t k;
  int count = 0;
  const float *groups[8];
  int64_t indices[8];
  std::byte *records[8];
};

} // namespace sinter::cpu
