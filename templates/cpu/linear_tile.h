// SPDX-License-Identifier: Apache-2.0
// The register tiles of a matmul: `panels` panels of 16 weight rows times `tokens` tokens over a chunk of K, added to
// sums in memory. A row's and a token's sum goes through the same operations in the same order whatever else is in the
// tile, so that results do not depend on how tokens are grouped. Each tile is a function of its own (noinline): within
// a larger one the compiler runs out of registers and spills sums in the inner loop.
#pragma once
#include "templates/cpu/dot.h"
#include "templates/cpu/unpack.h"
#include <bit>

namespace sinter::cpu {

/// The sums of a tile in memory: token t's panel p at data + t * stride + p * 16.
struct TileSums {
  float *data;
  int64_t stride;
  bool fresh; ///< start from zero
};

template <int panels, int tokens>
inline __attribute__((always_inline)) void loadSums(F32x16 (&acc)[tokens][panels], TileSums sums) {
#pragma GCC unroll 16
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p)
      acc[t][p] = sums.fresh ? zeroF() : load(sums.data + t * sums.stride + p * panelRows);
  }
}

template <int panels, int tokens>
inline __attribute__((always_inline)) void storeSums(const F32x16 (&acc)[tokens][panels], TileSums sums) {
#pragma GCC unroll 16
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p)
      store(sums.data + t * sums.stride + p * panelRows, acc[t][p]);
  }
}

/// Fetches part `part` of `parts` of the `bytes` at `p` towards the core. Inlined by force, here and below: GCC 12
/// takes a function that only prefetches for one without effect, and drops its calls.
template <int64_t bytes, int64_t parts>
inline __attribute__((always_inline)) void prefetchShare(const std::byte *p, int64_t part) {
  constexpr int64_t lines = divideUp(divideUp(bytes, 64), parts);
#pragma GCC unroll 32
  for (int64_t i = 0; i < lines; ++i)
    __builtin_prefetch(p + (part * lines + i) * 64, 0, bytes <= 16384 ? 3 : 2);
}

/// Codes and scales of a tile's panels straight from the packed stream, from block `first` on.
template <WeightFormat F, int64_t k, int panels>
struct PackedCodes {
  const std::byte *base;
  int64_t first;
  const std::byte *next; ///< the panels after these, wanted soon
  static constexpr int64_t panelBytes = panelLayout(F, k).bytes;

  I32x16 codes(int p, int64_t b, int s) const { return panel(p).codes(first + b, s); }
  F32x16 scale(int p, int64_t g) const { return panel(p).scale(first * blockK / F.group + g); }
  F32x16 minimum(int p, int64_t g) const { return panel(p).minimum(first * blockK / F.group + g); }

  /// Called once a block: fetches that block's share of the next panels, in order of address. The sections of a panel
  /// are streams too short for the hardware to follow.
  __attribute__((always_inline)) void prefetch(int64_t b) const {
    prefetchShare<panels * panelBytes, k / blockK>(next, b);
  }

private:
  QuantPanel<F, k> panel(int p) const { return {base + p * panelBytes}; }
};

/// Codes and scales of a chunk, unpacked: bytes [panels][blocks][8 steps][64], floats [groups][panels][16].
template <int panels>
struct UnpackedCodes {
  const std::byte *bytes;
  int64_t panelBytes;
  const float *scales, *mins;

  I32x16 codes(int p, int64_t b, int s) const { return loadBytes(bytes + p * panelBytes + (b * 8 + s) * 64); }
  F32x16 scale(int p, int64_t g) const { return load(scales + (g * panels + p) * panelRows); }
  F32x16 minimum(int p, int64_t g) const { return load(mins + (g * panels + p) * panelRows); }
  void prefetch(int64_t) const {}
};

/// Sums of a group start here, so that the offset of stored codes needs no later correction.
template <WeightFormat F>
inline I32x16 startSum(const int32_t *negSum) {
  constexpr int offset = F.offset() - (byMagnitude(F.bits) ? 128 : 0);
  if constexpr (offset == 0) {
    return zeroI();
  } else {
    I32x16 sum = splatI(*negSum);
    if constexpr (offset < 0)
      sum = zeroI() - sum;
    return shiftLeft<std::bit_width(unsigned(offset < 0 ? -offset : offset)) - 1>(sum);
  }
}

/// Quantized weights times quantized activations: `blocks` blocks of 32 from block `first` of the records on.
template <WeightFormat F, int64_t k, int panels, int tokens>
__attribute__((noinline)) void int8Tile(auto weights, const std::byte *x, int64_t first, int64_t blocks,
                                        TileSums sums) {
  constexpr int64_t record = int64_t(q8RecordBytes(k));
  constexpr int steps = 4; // of a group of activations
  F32x16 acc[tokens][panels];
  loadSums(acc, sums);
  for (int64_t b = 0; b < blocks; ++b) {
    int64_t xb = first + b;
    weights.prefetch(b);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      I32x16 dots[tokens][panels];
#pragma GCC unroll 16
      for (int t = 0; t < tokens; ++t) {
        I32x16 start = startSum<F>(q8NegSums(x + t * record, k) + 2 * xb + h);
#pragma GCC unroll 4
        for (int p = 0; p < panels; ++p)
          dots[t][p] = start;
      }
      dotSteps<F.bits, steps, panels, tokens>(
          dots, [&](int p, int s) { return weights.codes(p, b, h * steps + s); },
          [&](int t, int s) { return splatCodes(q8Codes(x + t * record) + xb * blockK + (h * steps + s) * 4); });
      int64_t g = (b * blockK + h * q8Group) / F.group;
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        F32x16 scale = weights.scale(p, g);
#pragma GCC unroll 16
        for (int t = 0; t < tokens; ++t)
          acc[t][p] = fma(toFloat(dots[t][p]) * splat(q8Scales(x + t * record, k)[2 * xb + h]), scale, acc[t][p]);
      }
    }
    if constexpr (F.hasMin) {
      static_assert(F.group % blockK == 0, "a minimum needs groups of 32 at least");
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        F32x16 minimum = weights.minimum(p, b * blockK / F.group);
#pragma GCC unroll 16
        for (int t = 0; t < tokens; ++t)
          acc[t][p] = fma(minimum, splat(q8ScaledSums(x + t * record, k)[xb]), acc[t][p]);
      }
    }
  }
  storeSums(acc, sums);
}

/// Float panels [elements][16], `panelStride` floats apart, times float rows, `xStride` floats apart. Fetches
/// `nextStep` bytes an element from `next`, the packed panels wanted soon.
template <int panels, int tokens, int64_t panelStride, int64_t xStride, int64_t nextStep>
__attribute__((noinline)) void f32Tile(const float *weights, const std::byte *next, const float *x, int64_t elements,
                                       TileSums sums) {
  F32x16 acc[tokens][panels];
  loadSums(acc, sums);
  for (int64_t i = 0; i < elements; ++i) {
#pragma GCC unroll 4
    for (int64_t at = 0; at < nextStep; at += 64)
      __builtin_prefetch(next + i * nextStep + at, 0, 2);
    F32x16 w[panels];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p)
      w[p] = load(weights + p * panelStride + i * panelRows);
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t) {
      F32x16 a = splat(x[t * xStride + i]);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p)
        acc[t][p] = fma(w[p], a, acc[t][p]);
    }
  }
  storeSums(acc, sums);
}

#if defined(__AVX512BF16__) && SINTER_AVX512
/// bfloat16 panels [pairs][16][2], `panelBytes` apart, times bfloat16 rows, `xStride` elements apart, two k a step;
/// with `odd`, a last k stands alone. Fetches as much from `next`, the panels wanted soon.
template <int panels, int tokens, int64_t panelBytes, int64_t xStride>
__attribute__((noinline)) void bf16Tile(const std::byte *weights, const std::byte *next, const uint16_t *x,
                                        int64_t pairs, bool odd, TileSums sums) {
  F32x16 acc[tokens][panels];
  loadSums(acc, sums);
  auto step = [&](int64_t i, auto pairOf) __attribute__((always_inline)) {
    I32x16 w[panels];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) {
      w[p] = loadBytes(weights + p * panelBytes + i * 64);
      __builtin_prefetch(next + p * panelBytes + i * 64, 0, 2);
    }
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t) {
      I32x16 a = splatI(pairOf(x + t * xStride + 2 * i));
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p)
        acc[t][p].v = _mm512_dpbf16_ps(acc[t][p].v, (__m512bh)w[p].v, (__m512bh)a.v);
    }
  };
  for (int64_t i = 0; i < pairs; ++i)
    step(i, [](const uint16_t *at) {
      int32_t pair;
      std::memcpy(&pair, at, 4);
      return pair;
    });
  if (odd)
    step(pairs, [](const uint16_t *at) { return int32_t(*at); });
  storeSums(acc, sums);
}
#endif

} // namespace sinter::cpu
