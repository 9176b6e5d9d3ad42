// SPDX-License-Identifier: Apache-2.0
// The two products of attention on register tiles: up to six query rows times vectors of sixteen keys (scores) or of
// sixteen output dims (weighted values), straight from the layout of kv_cache.h. Every sum runs in ascending order
// over one accumulator, whatever the shape of the tile, so a row's result does not depend on its company.
#pragma once
#include "templates/cpu/element.h"
#include "templates/cpu/kv_cache.h"

namespace sinter::cpu {

inline constexpr int rowsAtOnce = 6;                        ///< query rows of a register tile
inline constexpr int vectorsAtOnce = SINTER_AVX512 ? 4 : 1; ///< its vectors: 24 of 32 registers, or 12 of 16

/// How cached vectors meet broadcast operands: a Unit is what one multiply-add takes of a query or probability row. The
/// cache's element (pair) is multiplied in `parts` steps of Units of `perUnit` elements.
template <Element type>
struct KvMath {
  using Unit = float;
  using Cached = F32x16;
  static constexpr int perUnit = 1, parts = type == Element::BF16 ? 2 : 1;
  static constexpr int cachedBytes = type == Element::F32 ? 64 : type == Element::F16 ? 32 : 64;

  static Cached load(const std::byte *p, int part) {
    if constexpr (type == Element::F32) {
      return cpu::load(reinterpret_cast<const float *>(p));
    } else if constexpr (type == Element::F16) {
      return loadHalf(reinterpret_cast<const uint16_t *>(p));
    } else {
      I32x16 pairs = loadBytes(p);
      return asFloat(part == 0 ? shiftLeft<16>(pairs) : pairs & splatI(int32_t(0xffff0000)));
    }
  }
  static F32x16 multiplyAdd(F32x16 sum, Cached a, Unit b) { return fma(a, splat(b), sum); }
  static void storeUnits(Unit *row, int i, F32x16 a) { store(row + i, a); }
};

#ifdef __AVX512BF16__
/// Pairs of bfloat16 in one instruction; queries and probabilities are rounded to bfloat16 too.
template <>
struct KvMath<Element::BF16> {
  using Unit = int32_t;
  using Cached = I32x16;
  static constexpr int perUnit = 2, parts = 1;
  static constexpr int cachedBytes = 64;

  static Cached load(const std::byte *p, int) { return loadBytes(p); }
  static F32x16 multiplyAdd(F32x16 sum, Cached a, Unit b) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(_mm512_set1_epi32(b)))};
  }
  static void storeUnits(Unit *row, int i, F32x16 a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(row + i / 2), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a.v)));
  }
};
#endif

/// scores[r][16 * j ..] = <query r, keys of group j> for `rows` queries and `vectors` groups of 16 keys.
template <KvConfig C, int rows, int vectors>
inline void scoreTile(const typename KvMath<C.type>::Unit *queries, int queryStride, const std::byte *const *groups,
                      float *scores, int scoreStride) {
  using Math = KvMath<C.type>;
  F32x16 sums[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j)
      sums[r][j] = zeroF();
  for (int d = 0; d < C.headDim / C.pair(); ++d) {
#pragma GCC unroll 2
    for (int part = 0; part < Math::parts; ++part) {
      typename Math::Cached keys[vectors];
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j)
        keys[j] = Math::load(groups[j] + int64_t(d) * Math::cachedBytes, part);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; ++j)
          sums[r][j] = Math::multiplyAdd(sums[r][j], keys[j], queries[r * queryStride + d * Math::parts + part]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j)
      store(scores + r * scoreStride + j * lanes, sums[r][j]);
}

/// out[r][dims of `vectors` vectors] = factors[r] * out[r] + sum over `keys` tokens of weights[r][t] * value[t].
/// groups[g] points at the values of tokens 16 g .. 16 g + 15, at the first of those dims.
template <KvConfig C, int rows, int vectors>
inline void weighValues(const typename KvMath<C.type>::Unit *weights, int weightStride, const std::byte *const *groups,
                        int dimOffset, int keys, const float *factors, float *out, int outStride) {
  using Math = KvMath<C.type>;
  constexpr int64_t tokenBytes = int64_t(C.valueDims()) * C.pair() * C.elementBytes(); // of a token (pair)
  F32x16 sums[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j)
      sums[r][j] = load(out + r * outStride + j * lanes) * splat(factors[r]);
  auto step = [&](const std::byte *values, int token, auto lastOdd) {
#pragma GCC unroll 2
    for (int part = 0; part < (lastOdd() ? 1 : Math::parts); ++part) {
      typename Math::Cached v[vectors];
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j) {
        v[j] = Math::load(values + j * Math::cachedBytes, part);
        if constexpr (lastOdd() && Math::perUnit == 2) // the other of the pair was never written
          v[j] = v[j] & splatI(0xffff);
      }
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; ++j)
          sums[r][j] = Math::multiplyAdd(sums[r][j], v[j], weights[r * weightStride + token / Math::perUnit + part]);
    }
  };
  for (int first = 0; first < keys; first += lanes) {
    const std::byte *values = groups[first / lanes] + int64_t(dimOffset) * C.pair() * C.elementBytes();
    int end = keys - first < lanes ? keys - first : lanes;
    int token = 0;
    for (; token + C.pair() <= end; token += C.pair(), values += tokenBytes)
      step(values, first + token, std::false_type{});
    if (token < end)
      step(values, first + token, std::true_type{});
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j)
      store(out + r * outStride + j * lanes, sums[r][j]);
}

} // namespace sinter::cpu
