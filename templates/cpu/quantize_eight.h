// SPDX-License-Identifier: Apache-2.0
// Eight blocks of the quantized activation of quantize.h at once, with AVX-512: the same bytes as quantizeBlock, in a
// fraction of the time, because the reductions and divisions of eight blocks share their instructions.
#pragma once
#include "templates/cpu/quantize.h"

namespace sinter::cpu {

#if SINTER_AVX512
/// What eight blocks become. Block i has scales and sums 2 i and 2 i + 1, scaledSums[i], and its codes in half i % 2 of
/// codes[i / 2].
struct EightBlocks {
  __m512i codes[4];
  __m512 scales;
  __m512i sums;
  __m256 scaledSums;
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

/// Sums of the sixteen groups of eight blocks. In codes[i], dword 4 * part + half holds four codes of that group.
inline __m512i sumHalves(const __m512i *codes) {
  __m512i parts[4];
  for (int i = 0; i < 4; ++i)
    parts[i] = _mm512_madd_epi16(_mm512_maddubs_epi16(_mm512_set1_epi8(1), codes[i]), _mm512_set1_epi16(1));
  auto fold = [](__m512i a, __m512i b) {
    return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
  };
  return fold(fold(parts[0], parts[1]), fold(parts[2], parts[3]));
}

/// Scales of eight groups with these largest magnitudes; `inverses` gets the inverse of each.
inline __m256 scalesOfEight(__m256 largest, float *inverses) {
  __m256 limit = _mm256_set1_ps(127.0f);
  __mmask8 nonzero = _mm256_cmp_ps_mask(largest, _mm256_set1_ps(1e-30f), _CMP_NLT_UQ);
  _mm256_storeu_ps(inverses, _mm256_maskz_div_ps(nonzero, limit, largest));
  return _mm256_maskz_div_ps(nonzero, largest, limit);
}

/// blocks[i] points at the 32 floats of block i.
inline EightBlocks encodeEight(const float *const *blocks) {
  float inverses[2][8];
  __m256 scales[2];
  for (int h = 0; h < 2; ++h) {
    __m512 magnitudes[8];
    for (int i = 0; i < 8; ++i)
      magnitudes[i] = abs(load(blocks[i] + h * lanes)).v;
    scales[h] = scalesOfEight(largestOfEight(magnitudes), inverses[h]);
  }

  EightBlocks out;
  for (int i = 0; i < 4; ++i) {
    __m512i words[2];
    for (int j = 0; j < 2; ++j) {
      int block = 2 * i + j;
      const float *x = blocks[block];
      words[j] = _mm512_packs_epi32(toInt(load(x) * splat(inverses[0][block])).v,
                                    toInt(load(x + lanes) * splat(inverses[1][block])).v);
    }
    out.codes[i] = _mm512_packs_epi16(words[0], words[1]);
  }
  out.sums = sumHalves(out.codes);
  auto sumsOf = [](__m512i wide) { return _mm256_cvtepi32_ps(_mm512_cvtepi64_epi32(wide)); };
  out.scaledSums =
      _mm256_fmadd_ps(scales[1], sumsOf(_mm512_srai_epi64(out.sums, 32)), _mm256_mul_ps(scales[0], sumsOf(out.sums)));
  __m512i interleave = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  out.scales = _mm512_permutex2var_ps(_mm512_castps256_ps512(scales[0]), interleave, _mm512_castps256_ps512(scales[1]));
  __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (__m512i &codes : out.codes)
    codes = _mm512_permutexvar_epi32(order, codes);
  return out;
}

/// Blocks b .. b + 7 of one record, from 256 consecutive floats.
inline void quantizeEight(const float *x, int64_t k, int64_t b, std::byte *record) {
  const float *blocks[8];
  for (int i = 0; i < 8; ++i)
    blocks[i] = x + i * q8Block;
  EightBlocks e = encodeEight(blocks);
  for (int i = 0; i < 4; ++i)
    _mm512_storeu_si512(const_cast<int8_t *>(q8Codes(record)) + (b + 2 * i) * q8Block, e.codes[i]);
  _mm512_storeu_ps(const_cast<float *>(q8Scales(record, k)) + 2 * b, e.scales);
  _mm256_storeu_ps(const_cast<float *>(q8ScaledSums(record, k)) + b, e.scaledSums);
  _mm512_storeu_si512(const_cast<int32_t *>(q8NegSums(record, k)) + 2 * b,
                      _mm512_sub_epi32(_mm512_setzero_si512(), e.sums));
}
#endif

/// quantizeRow, by eights where the row has them; the last eight overlap those before them.
inline void quantizeWholeRow(const float *x, int64_t k, std::byte *record) {
#if SINTER_AVX512
  int64_t blocks = k / q8Block;
  if (blocks >= 8) {
    for (int64_t b = 0; b < blocks; b += 8) {
      int64_t first = b + 8 <= blocks ? b : blocks - 8;
      quantizeEight(x + first * q8Block, k, first, record);
    }
    return;
  }
#endif
  quantizeRow(x, k, record);
}

/// Blocks of many records of K codes, gathered until there are eight. The floats of a block must stay where they are
/// until then, or until finish().
class BlockBatch {
public:
  explicit BlockBatch(int64_t k) : k(k) {}
  BlockBatch(const BlockBatch &) = delete;
  ~BlockBatch() { finish(); }

  void add(const float *x, int64_t b, std::byte *record) {
    blocks[count] = x;
    indices[count] = b;
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
      quantizeBlock(blocks[i], k, indices[i], records[i]);
    count = 0;
  }

private:
#if SINTER_AVX512
  void writeEight() {
    EightBlocks e = encodeEight(blocks);
    alignas(64) float scales[16], scaledSums[8];
    alignas(64) int32_t negSums[16];
    _mm512_store_ps(scales, e.scales);
    _mm256_store_ps(scaledSums, e.scaledSums);
    _mm512_store_si512(negSums, _mm512_sub_epi32(_mm512_setzero_si512(), e.sums));
    for (int i = 0; i < 8; ++i) {
      __m256i codes = i % 2 ? _mm512_extracti64x4_epi64(e.codes[i / 2], 1) : _mm512_castsi512_si256(e.codes[i / 2]);
      std::byte *record = records[i];
      std::memcpy(const_cast<int8_t *>(q8Codes(record)) + indices[i] * q8Block, &codes, 32);
      std::memcpy(const_cast<float *>(q8Scales(record, k)) + 2 * indices[i], scales + 2 * i, 8);
      const_cast<float *>(q8ScaledSums(record, k))[indices[i]] = scaledSums[i];
      std::memcpy(const_cast<int32_t *>(q8NegSums(record, k)) + 2 * indices[i], negSums + 2 * i, 8);
    }
    count = 0;
  }
#endif

  int64_t k;
  int count = 0;
  const float *blocks[8];
  int64_t indices[8];
  std::byte *records[8];
};

} // namespace sinter::cpu
