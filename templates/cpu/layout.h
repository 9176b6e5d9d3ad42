// SPDX-License-Identifier: Apache-2.0
// Where a packed weight's bits lie: stated once, for the packer that writes them and the kernels that stream them.
//
// A weight [N, K] becomes ceil(N / 16) panels of 16 rows, one after the other, so that a kernel reads each panel as one
// stream; rows beyond N are zero. Within a panel everything is interleaved over the 16 rows:
//
//   f32, f16   [K][16]
//   bf16       [ceil(K / 2)][16][2]: a 64-byte vector holds two consecutive k of each row
//   quantized  five sections, each padded to 64 bytes. A block is 32 consecutive k, a step 4; vectors are 64 bytes,
//              byte 4 * row + i being of k = 4 * step + i:
//     codes        8 bits: 8 vectors a block, one a step. Less: 4 vectors a block of which vector v holds the low four
//                  bits of step v in its low nibbles and those of step v + 4 in its high ones
//     high         the bits above four, when there are 5 or 6. 5: one vector a block, bit s of a byte for step s.
//                  6: two vectors a block, vector s / 4 holding step s in bit pair s % 4
//     scales       one level: float16 [K / group][16], then the minimums alike. Two: int8 [K / group][16], alike
//     superScales  two levels: float16 [K / super][16]
//     superMins    two levels with a minimum: float16 [K / super][16]
//
// Codes are unsigned; signed ones are offset by 2^(bits - 1). No bit of the file is lost or added but sub-scales of
// fewer than 8 bits taking a byte.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sinter::cpu {

inline constexpr int64_t panelRows = 16; ///< rows of a weight that one vector interleaves
inline constexpr int64_t blockK = 32;    ///< consecutive k that one block of codes holds

/// What the elements of a buffer are. Q8: a row is a record of templates/cpu/quantize.h.
enum class Element : uint8_t { F32, F16, BF16, Q8 };

constexpr int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t roundUp(int64_t a, int64_t multiple) { return divideUp(a, multiple) * multiple; }

/// How a weight is coded; the fields of ir/Type.h's Quant (float16 scales), or bits = 0 and a float `element`.
struct WeightFormat {
  Element element = Element::F32;
  int32_t bits = 0; ///< 4, 5, 6 or 8; 0: plain floats
  bool isSigned = true;
  bool hasMin = false;
  int32_t subBits = 0; ///< > 0: two levels of scales
  int32_t group = 0;   ///< 16, without a minimum, or a multiple of 32
  int32_t super = 0;   ///< a multiple of group; two levels only

  constexpr bool quantized() const { return bits != 0; }
  constexpr bool twoLevel() const { return subBits != 0; }
  /// What a stored code exceeds its value by.
  constexpr int32_t offset() const { return isSigned ? 1 << (bits - 1) : 0; }
  constexpr bool valid(int64_t k) const {
    if (!quantized())
      return element != Element::Q8 && k > 0;
    bool groups = group == 16 || (group > 0 && group % 32 == 0);
    bool supers = !twoLevel() || (subBits <= 8 && super > 0 && groups && super % group == 0 && k % super == 0);
    return (bits == 4 || bits == 5 || bits == 6 || bits == 8) && !(hasMin && (isSigned || group == 16)) && groups &&
           supers && k > 0 && k % blockK == 0 && k % group == 0;
  }
};

/// Byte offsets of a panel's sections.
struct PanelLayout {
  int64_t codes = 0, high = 0, scales = 0, mins = 0, superScales = 0, superMins = 0;
  int64_t bytes = 0; ///< of the panel, and so from one to the next
};

constexpr PanelLayout panelLayout(const WeightFormat &f, int64_t k) {
  PanelLayout l;
  auto section = [&](int64_t bytes) {
    int64_t at = l.bytes;
    l.bytes += roundUp(bytes, 64);
    return at;
  };
  if (!f.quantized()) {
    l.codes =
        section(f.element == Element::BF16 ? divideUp(k, 2) * 64 : k * panelRows * (f.element == Element::F16 ? 2 : 4));
    return l;
  }
  int64_t groups = k / f.group * panelRows, supers = f.twoLevel() ? k / f.super * panelRows : 0;
  int64_t scaleBytes = f.twoLevel() ? 1 : 2;
  l.codes = section(f.bits == 8 ? k * panelRows : k * panelRows / 2);
  l.high = section(f.bits == 5 || f.bits == 6 ? k * panelRows * (f.bits - 4) / 8 : 0);
  l.scales = section(groups * scaleBytes);
  l.mins = section(f.hasMin ? groups * scaleBytes : 0);
  l.superScales = section(supers * 2);
  l.superMins = section(f.hasMin ? supers * 2 : 0);
  return l;
}

/// Bytes of a packed weight [n, k].
constexpr int64_t packedBytes(const WeightFormat &f, int64_t n, int64_t k) {
  return divideUp(n, panelRows) * panelLayout(f, k).bytes;
}

} // namespace sinter::cpu
