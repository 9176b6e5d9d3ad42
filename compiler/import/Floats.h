// SPDX-License-Identifier: Apache-2.0
// The float formats of checkpoints as float32, exactly, whatever the machine has instructions for.
#pragma once
#include <bit>
#include <charconv>
#include <cstdint>
#include <string>

namespace sinter {

/// IEEE 754 binary16.
inline float floatFromHalf(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3ff;
  if (exponent == 0) { // zero or subnormal: mantissa * 2^-24
    float magnitude = float(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

/// The upper half of a float32.
inline float floatFromBfloat(uint16_t upper) { return std::bit_cast<float>(uint32_t(upper) << 16); }

/// The double that prints shortest among those that round to `value`: 9.99999974e-06f is 1e-05. Files that store a
/// config's numbers in float32 mean the decimal number they were rounded from.
inline double shortestDouble(float value) {
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double result = value; // stays for infinities and NaN
  std::from_chars(text, end, result);
  return result;
}

/// The shortest text that means the same double: "1e-06", "64".
inline std::string decimal(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

} // namespace sinter
