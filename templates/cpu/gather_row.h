// SPDX-License-Identifier: Apache-2.0
// One row of a packed weight as floats: how an embedding table that is also the LM head is read, stored once.
#pragma once
#include "templates/cpu/layout.h"
#include "templates/cpu/scalar.h"

namespace sinter::cpu {

/// Scale (or minimum) of group `g` of row `r` of a panel, exactly as the file means it.
template <WeightFormat F>
inline float packedLevel(const std::byte *panel, int64_t section, int64_t superSection, int64_t g, int64_t r) {
  auto half = [&](int64_t at, int64_t i) {
    return halfToFloat(reinterpret_cast<const uint16_t *>(panel + at)[i * panelRows + r]);
  };
  if constexpr (!F.twoLevel())
    return half(section, g);
  float sub = reinterpret_cast<const int8_t *>(panel + section)[g * panelRows + r];
  return sub * half(superSection, g * F.group / F.super);
}

/// The four codes of step `s` of block `b` of row `r` of a panel, one a byte.
template <WeightFormat F>
inline uint32_t packedCodes(const std::byte *panel, const PanelLayout &l, int64_t b, int s, int64_t r) {
  auto word = [&](int64_t at) {
    uint32_t w;
    std::memcpy(&w, panel + at + r * 4, 4);
    return w;
  };
  if constexpr (F.bits == 8)
    return word(l.codes + (b * 8 + s) * 64);
  uint32_t low = word(l.codes + (b * 4 + s % 4) * 64) >> (s < 4 ? 0 : 4) & 0x0f0f0f0f;
  if constexpr (F.bits == 5)
    return low | (word(l.high + b * 64) >> s & 0x01010101) << 4;
  if constexpr (F.bits == 6)
    return low | (word(l.high + (b * 2 + s / 4) * 64) >> 2 * (s % 4) & 0x03030303) << 4;
  return low;
}

template <WeightFormat F, int64_t k>
inline void gatherQuantized(const std::byte *panel, int64_t r, float *out) {
  constexpr PanelLayout l = panelLayout(F, k);
  constexpr int64_t run = F.group < blockK ? F.group : blockK; // of one scale within a block
  for (int64_t first = 0; first < k; first += run) {
    float scale = packedLevel<F>(panel, l.scales, l.superScales, first / F.group, r);
    float minimum = F.hasMin ? packedLevel<F>(panel, l.mins, l.superMins, first / F.group, r) : 0.0f;
    for (int64_t i = 0; i < run; i += 4) {
      uint32_t four = packedCodes<F>(panel, l, first / blockK, int((first + i) % blockK / 4), r);
      for (int64_t j = 0; j < 4; ++j)
        out[first + i + j] = scale * float(int32_t(four >> 8 * j & 0xff) - F.offset()) + minimum;
    }
  }
}

/// Row `row` of the packed weight [n, k], k floats, exact.
template <WeightFormat F, int64_t k>
inline void gatherRow(const void *packed, int64_t row, float *out) {
  static_assert(F.valid(k), "no such weight format");
  auto *panel = static_cast<const std::byte *>(packed) + row / panelRows * panelLayout(F, k).bytes;
  int64_t r = row % panelRows;
  if constexpr (F.quantized()) {
    gatherQuantized<F, k>(panel, r, out);
    return;
  }
  auto *halves = reinterpret_cast<const uint16_t *>(panel);
  for (int64_t i = 0; i < k; ++i) {
    if constexpr (F.element == Element::F32)
      out[i] = reinterpret_cast<const float *>(panel)[i * panelRows + r];
    else if constexpr (F.element == Element::F16)
      out[i] = halfToFloat(halves[i * panelRows + r]);
    else
      out[i] = bf16ToFloat(halves[(i / 2 * panelRows + r) * 2 + i % 2]);
  }
}

} // namespace sinter::cpu
