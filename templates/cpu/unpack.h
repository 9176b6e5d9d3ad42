// SPDX-License-Identifier: Apache-2.0
// Reading packed panels (layout.h): codes as bytes, scales and minimums as floats, sixteen rows at a time.
#pragma once
#include "templates/cpu/linear_config.h"

namespace sinter::cpu {

/// One panel of a quantized weight, as it lies in the packed stream.
template <WeightFormat F, int64_t k>
struct QuantPanel {
  static constexpr PanelLayout layout = panelLayout(F, k);
  const std::byte *base;

  /// The 64 codes of step `s` (0..7) of block `b`: four k of sixteen rows.
  I32x16 codes(int64_t b, int s) const {
    if constexpr (F.bits == 8)
      return loadBytes(base + layout.codes + (b * 8 + s) * 64);
    I32x16 v = loadBytes(base + layout.codes + (b * 4 + s % 4) * 64);
    I32x16 low = (s < 4 ? v : shiftRight<4>(v)) & splatI(0x0f0f0f0f);
    if constexpr (F.bits == 5)
      return low | (moveBits(loadBytes(base + layout.high + b * 64), 4 - s) & splatI(0x10101010));
    if constexpr (F.bits == 6)
      return low |
             (moveBits(loadBytes(base + layout.high + (b * 2 + s / 4) * 64), 4 - 2 * (s % 4)) & splatI(0x30303030));
    return low;
  }

  F32x16 scale(int64_t g) const { return level(layout.scales, layout.superScales, g); }
  F32x16 minimum(int64_t g) const { return level(layout.mins, layout.superMins, g); }

private:
  /// Left by `n` bits, or right by -n. Callers mask what crosses a byte.
  static I32x16 moveBits(I32x16 v, int n) {
    switch (n) {
    case 4:
      return shiftLeft<4>(v);
    case 3:
      return shiftLeft<3>(v);
    case 2:
      return shiftLeft<2>(v);
    case 1:
      return shiftLeft<1>(v);
    case -1:
      return shiftRight<1>(v);
    case -2:
      return shiftRight<2>(v);
    case -3:
      return shiftRight<3>(v);
    default:
      return v;
    }
  }
  F32x16 level(int64_t section, int64_t superSection, int64_t g) const {
    if constexpr (!F.twoLevel())
      return loadHalf(reinterpret_cast<const uint16_t *>(base + section) + g * panelRows);
    F32x16 sub = toFloat(loadI8(reinterpret_cast<const int8_t *>(base + section) + g * panelRows));
    int64_t s = g * F.group / F.super;
    return sub * loadHalf(reinterpret_cast<const uint16_t *>(base + superSection) + s * panelRows);
  }
};

/// Elements [first, first + count) of a packed float panel, widened: [count][16]. With bfloat16, `first` is even.
template <Element E>
inline void widenFloats(const std::byte *panel, int64_t first, int64_t count, float *out) {
  if constexpr (E == Element::BF16) {
    for (int64_t i = 0; i < count; i += 2) {
      I32x16 pair = loadBytes(panel + (first + i) * 32);
      store(out + i * panelRows, asFloat(shiftLeft<16>(pair)));
      if (i + 1 < count)
        store(out + (i + 1) * panelRows, asFloat(pair & splatI(int32_t(0xffff0000))));
    }
  } else {
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (E == Element::F32)
        store(out + i * panelRows, load(reinterpret_cast<const float *>(panel) + (first + i) * panelRows));
      else
        store(out + i * panelRows, loadHalf(reinterpret_cast<const uint16_t *>(panel) + (first + i) * panelRows));
    }
  }
}

/// Codes of `blocks` blocks from block `first` on as bytes, one vector a step.
template <WeightFormat F, int64_t k>
inline void unpackCodes(QuantPanel<F, k> panel, int64_t first, int64_t blocks, std::byte *out) {
  for (int64_t b = 0; b < blocks; ++b) {
#pragma GCC unroll 8
    for (int s = 0; s < 8; ++s)
      storeBytes(out + (b * 8 + s) * 64, panel.codes(first + b, s));
  }
}

/// Byte i of every lane, as a float.
inline F32x16 byteToFloat(I32x16 v, int i) {
  I32x16 moved = i == 0 ? v : i == 1 ? shiftRight<8>(v) : i == 2 ? shiftRight<16>(v) : shiftRight<24>(v);
  return toFloat(moved & splatI(0xff));
}

/// The values of `blocks` blocks from block `first` on: scale * code + minimum, [32 * blocks][16].
template <WeightFormat F, int64_t k>
inline void dequantize(QuantPanel<F, k> panel, int64_t first, int64_t blocks, float *out) {
  for (int64_t b = 0; b < blocks; ++b) {
#pragma GCC unroll 8
    for (int s = 0; s < 8; ++s) {
      I32x16 codes = panel.codes(first + b, s);
      int64_t g = ((first + b) * blockK + s * 4) / F.group;
      F32x16 scale = panel.scale(g);
      for (int i = 0; i < 4; ++i) {
        F32x16 value = (byteToFloat(codes, i) - splat(float(F.offset()))) * scale;
        if constexpr (F.hasMin)
          value = value + panel.minimum(g);
        store(out + (b * blockK + s * 4 + i) * panelRows, value);
      }
    }
  }
}

} // namespace sinter::cpu
