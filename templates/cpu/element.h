// SPDX-License-Identifier: Apache-2.0
// Activations and plain weights in memory: float32, bfloat16 and float16, read and written as float vectors, rounded to
// nearest even; and rows that leave a kernel as the q8 records that a quantized matmul reads.
#pragma once
#include "templates/cpu/layout.h"
#include "templates/cpu/quantize_eight.h"
#include "templates/cpu/vector_math.h"
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace sinter::cpu {

/// Bytes of a row of n elements.
constexpr int64_t rowBytes(Element e, int64_t n) {
  return e == Element::Q8 ? int64_t(q8RecordBytes(n)) : n * (e == Element::F32 ? 4 : 2);
}
/// A q8 row has whole groups.
constexpr bool validRow(Element e, int64_t n) { return n > 0 && (e != Element::Q8 || n % q8Block == 0); }

/// Elements [i, i + count) of a row as floats; lanes behind them are zero. Reads nothing else.
template <Element E, int count = lanes>
inline F32x16 loadAs(const void *row, int64_t i) {
  static_assert(E != Element::Q8 && count > 0 && count <= lanes);
  if constexpr (E == Element::F32) {
    const float *p = static_cast<const float *>(row) + i;
    return count == lanes ? load(p) : loadFirst(p, count);
  } else {
    const uint16_t *p = static_cast<const uint16_t *>(row) + i;
    alignas(32) uint16_t part[lanes] = {};
    if constexpr (count != lanes) {
      std::memcpy(part, p, count * 2);
      p = part;
    }
    return E == Element::BF16 ? loadBf16(p) : loadHalf(p);
  }
}

/// Writes elements [i, i + count) of a row, and nothing else.
template <Element E, int count = lanes>
inline void storeAs(void *row, int64_t i, F32x16 a) {
  static_assert(E != Element::Q8 && count > 0 && count <= lanes);
  if constexpr (E == Element::F32) {
    float *p = static_cast<float *>(row) + i;
    count == lanes ? store(p, a) : storeFirst(p, a, count);
  } else {
    uint16_t *p = static_cast<uint16_t *>(row) + i;
    alignas(32) uint16_t part[lanes];
    uint16_t *to = count == lanes ? p : part;
    E == Element::BF16 ? storeBf16(to, a) : storeHalf(to, a);
    if constexpr (count != lanes)
      std::memcpy(p, part, count * 2);
  }
}

/// a as it reads back from memory.
template <Element E>
inline F32x16 roundTo(F32x16 a) {
  if constexpr (E == Element::F32) {
    return a;
  } else {
    alignas(32) uint16_t part[lanes];
    storeAs<E>(part, 0, a);
    return loadAs<E>(part, 0);
  }
}

/// Calls f(i, count) for the vectors of n elements; `count` is a constant: 16, or what is left at the end.
template <int n, typename F>
inline void forVectors(F &&f) {
  for (int i = 0; i + lanes <= n; i += lanes)
    f(i, std::integral_constant<int, lanes>{});
  if constexpr (n % lanes != 0)
    f(n / lanes * lanes, std::integral_constant<int, n % lanes>{});
}

/// A row of n results being written. A q8 row is gathered as floats in the worker's scratch and encoded as a whole when
/// it is complete.
template <Element E, int n>
class RowWriter {
public:
  RowWriter(void *matrix, int64_t row, std::byte *scratch)
      : out(static_cast<std::byte *>(matrix) + row * rowBytes(E, n)), floats(reinterpret_cast<float *>(scratch)) {}

  template <int count>
  void put(int64_t i, F32x16 a, std::integral_constant<int, count>) {
    if constexpr (E == Element::Q8)
      storeAs<Element::F32, count>(floats, i, a);
    else
      storeAs<E, count>(out, i, a);
  }
  void finish() {
    if constexpr (E == Element::Q8)
      quantizeWholeRow(floats, n, out);
  }
  /// What `scratch` must hold.
  static constexpr int64_t scratchBytes() { return E == Element::Q8 ? int64_t(n) * 4 : 0; }

private:
  std::byte *out;
  float *floats;
};

} // namespace sinter::cpu
