// SPDX-License-Identifier: Apache-2.0
// Products of unsigned weight codes and signed activation codes, summed exactly in int32: vpdpbusd where there is one,
// else pairs in int16, widened before they can overflow.
#pragma once
#include "templates/cpu/simd.h"

namespace sinter::cpu {

#if (SINTER_AVX512 && defined(__AVX512VNNI__)) || (!SINTER_AVX512 && defined(__AVXVNNI__))
#define SINTER_VNNI 1
#else
#define SINTER_VNNI 0
#endif

/// Four activation codes, in every lane.
inline I32x16 splatCodes(const int8_t *codes) {
  int32_t four;
  std::memcpy(&four, codes, 4);
  return splatI(four);
}

#if SINTER_VNNI

/// sum += the four products of every lane.
inline I32x16 dotBytes(I32x16 sum, I32x16 codes, I32x16 x) {
#if SINTER_AVX512
  return {_mm512_dpbusd_epi32(sum.v, codes.v, x.v)};
#else
  return {_mm256_dpbusd_avx_epi32(sum.lo, codes.lo, x.lo), _mm256_dpbusd_avx_epi32(sum.hi, codes.hi, x.hi)};
#endif
}

#else

/// Steps whose int16 sums of two products cannot overflow: 2 * 127 * (2^bits - 1) * steps < 2^15.
constexpr int stepsBeforeWidening(int bits) { return bits == 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1; }

#if SINTER_AVX512
inline I32x16 multiplyPairs(I32x16 u, I32x16 s) { return {_mm512_maddubs_epi16(u.v, s.v)}; }
inline I32x16 addWords(I32x16 a, I32x16 b) { return {_mm512_add_epi16(a.v, b.v)}; }
inline I32x16 widenPairs(I32x16 a) { return {_mm512_madd_epi16(a.v, _mm512_set1_epi16(1))}; }
inline I32x16 absBytes(I32x16 a) { return {_mm512_abs_epi8(a.v)}; }
/// x, negated where sign is negative.
inline I32x16 applySign(I32x16 x, I32x16 sign) {
  return {_mm512_mask_sub_epi8(x.v, _mm512_movepi8_mask(sign.v), _mm512_setzero_si512(), x.v)};
}
#else
inline I32x16 multiplyPairs(I32x16 u, I32x16 s) {
  return {_mm256_maddubs_epi16(u.lo, s.lo), _mm256_maddubs_epi16(u.hi, s.hi)};
}
inline I32x16 addWords(I32x16 a, I32x16 b) { return {_mm256_add_epi16(a.lo, b.lo), _mm256_add_epi16(a.hi, b.hi)}; }
inline I32x16 widenPairs(I32x16 a) {
  __m256i one = _mm256_set1_epi16(1);
  return {_mm256_madd_epi16(a.lo, one), _mm256_madd_epi16(a.hi, one)};
}
inline I32x16 absBytes(I32x16 a) { return {_mm256_abs_epi8(a.lo), _mm256_abs_epi8(a.hi)}; }
/// x, negated where sign is negative.
inline I32x16 applySign(I32x16 x, I32x16 sign) {
  return {_mm256_sign_epi8(x.lo, sign.lo), _mm256_sign_epi8(x.hi, sign.hi)};
}
#endif

#endif

/// Without vpdpbusd, 8-bit codes enter by magnitude and sign, 128 below what is stored.
constexpr bool byMagnitude(int bits) { return !SINTER_VNNI && bits == 8; }

/// sums[t][p] += codes(p, s) * x(t, s) over steps [0, steps).
template <int bits, int steps, int panels, int tokens>
inline __attribute__((always_inline)) void dotSteps(I32x16 (&sums)[tokens][panels], auto codes, auto x) {
#if SINTER_VNNI
#pragma GCC unroll 8
  for (int s = 0; s < steps; ++s) {
    I32x16 w[panels];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p)
      w[p] = codes(p, s);
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t) {
      I32x16 a = x(t, s);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p)
        sums[t][p] = dotBytes(sums[t][p], w[p], a);
    }
  }
#else
  constexpr int stretch = stepsBeforeWidening(bits) < steps ? stepsBeforeWidening(bits) : steps;
#pragma GCC unroll 8
  for (int s0 = 0; s0 < steps; s0 += stretch) {
    I32x16 words[tokens][panels];
#pragma GCC unroll 8
    for (int s = s0; s < s0 + stretch; ++s) {
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        I32x16 w = codes(p, s);
        if constexpr (byMagnitude(bits))
          w = w ^ splatI(int32_t(0x80808080));
        I32x16 magnitude = byMagnitude(bits) ? absBytes(w) : w;
#pragma GCC unroll 16
        for (int t = 0; t < tokens; ++t) {
          I32x16 a = x(t, s);
          if constexpr (byMagnitude(bits))
            a = applySign(a, w);
          I32x16 product = multiplyPairs(magnitude, a);
          words[t][p] = s == s0 ? product : addWords(words[t][p], product);
        }
      }
    }
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p)
        sums[t][p] = sums[t][p] + widenPairs(words[t][p]);
    }
  }
#endif
}

} // namespace sinter::cpu
