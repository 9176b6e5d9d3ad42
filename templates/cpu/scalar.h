// SPDX-License-Identifier: Apache-2.0
// Single numbers in the 16-bit float formats, on any machine.
#pragma once
#include <cstdint>
#include <cstring>

namespace sinter::cpu {

inline float halfToFloat(uint16_t bits) {
  _Float16 half;
  std::memcpy(&half, &bits, 2);
  return float(half);
}
/// Rounds to nearest even.
inline uint16_t floatToHalf(float f) {
  _Float16 half = static_cast<_Float16>(f);
  uint16_t bits;
  std::memcpy(&bits, &half, 2);
  return bits;
}

inline float bf16ToFloat(uint16_t b) {
  uint32_t bits = uint32_t(b) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
/// Rounds to nearest even; a NaN stays one.
inline uint16_t floatToBf16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace sinter::cpu
