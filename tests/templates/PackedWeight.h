// SPDX-License-Identifier: Apache-2.0
// Random weights in every format for kernel tests: their exact values, and their packed form written element by element
// from the words of templates/cpu/layout.h (codegen has its own, fast packer).
#pragma once
#include "templates/cpu/layout.h"
#include "templates/cpu/simd.h"
#include <random>
#include <vector>

namespace sinter::cpu::test {

/// Memory at a 64-byte boundary, with guard bytes on both sides.
class Guarded {
public:
  explicit Guarded(size_t bytes, uint8_t fill = 0xff) : storage(bytes + 192, guard), size(bytes) {
    begin = 64 + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64;
    std::fill_n(storage.begin() + ptrdiff_t(begin), bytes, fill);
  }
  std::byte *data() { return reinterpret_cast<std::byte *>(storage.data() + begin); }
  template <typename T>
  T *as() {
    return reinterpret_cast<T *>(data());
  }
  bool intact() const {
    for (size_t i = 0; i < storage.size(); ++i)
      if ((i < begin || i >= begin + size) && storage[i] != guard)
        return false;
    return true;
  }

private:
  static constexpr uint8_t guard = 0xa5;
  std::vector<uint8_t> storage;
  size_t size, begin = 0;
};

struct PackedWeight {
  std::vector<double> values; ///< [n, k]
  Guarded packed;
  PackedWeight(const WeightFormat &f, int64_t n, int64_t k, uint32_t seed);
  /// Alternates the panels of two weights of one shape, as swiglu streams them.
  PackedWeight(const WeightFormat &f, int64_t k, PackedWeight &gate, PackedWeight &up, int64_t n);

private:
  void addRow(const WeightFormat &f, const PanelLayout &l, int64_t row, int64_t k, std::mt19937 &random);
};

inline PackedWeight::PackedWeight(const WeightFormat &f, int64_t n, int64_t k, uint32_t seed)
    : values(size_t(n * k)), packed(size_t(packedBytes(f, n, k)), 0) {
  std::mt19937 random(seed);
  PanelLayout l = panelLayout(f, k);
  for (int64_t row = 0; row < n; ++row)
    addRow(f, l, row, k, random);
}

inline PackedWeight::PackedWeight(const WeightFormat &f, int64_t k, PackedWeight &gate, PackedWeight &up, int64_t n)
    : packed(2 * size_t(packedBytes(f, n, k))) {
  size_t bytes = size_t(panelLayout(f, k).bytes);
  for (size_t i = 0; i < size_t(divideUp(n, panelRows)); ++i) {
    std::memcpy(packed.data() + 2 * i * bytes, gate.packed.data() + i * bytes, bytes);
    std::memcpy(packed.data() + (2 * i + 1) * bytes, up.packed.data() + i * bytes, bytes);
  }
}

inline void PackedWeight::addRow(const WeightFormat &f, const PanelLayout &l, int64_t row, int64_t k,
                                 std::mt19937 &random) {
  auto uniform = [&](float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); };
  auto integer = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  std::byte *panel = packed.data() + row / panelRows * l.bytes;
  int64_t r = row % panelRows;
  auto half = [&](int64_t section, int64_t i, float value) {
    uint16_t h = floatToHalf(value);
    reinterpret_cast<uint16_t *>(panel + section)[i * panelRows + r] = h;
    return double(halfToFloat(h));
  };
  auto sub = [&](int64_t section, int64_t i, int value) {
    reinterpret_cast<int8_t *>(panel + section)[i * panelRows + r] = int8_t(value);
    return value;
  };
  if (!f.quantized()) {
    for (int64_t i = 0; i < k; ++i) {
      float v = uniform(-1, 1);
      auto *halves = reinterpret_cast<uint16_t *>(panel);
      if (f.element == Element::F32)
        reinterpret_cast<float *>(panel)[i * panelRows + r] = v;
      else if (f.element == Element::F16)
        v = halfToFloat(halves[i * panelRows + r] = floatToHalf(v));
      else
        v = bf16ToFloat(halves[(i / 2 * panelRows + r) * 2 + i % 2] = floatToBf16(v));
      values[size_t(row * k + i)] = v;
    }
    return;
  }
  double scale = 0, minimum = 0, superScale = 0, superMin = 0;
  int most = (1 << (f.subBits ? f.subBits - 1 : 0)) - 1;
  for (int64_t i = 0; i < k; ++i) {
    if (f.twoLevel() && i % f.super == 0) {
      superScale = half(l.superScales, i / f.super, uniform(0.0001f, 0.001f));
      superMin = f.hasMin ? half(l.superMins, i / f.super, uniform(-0.01f, -0.001f)) : 0;
    }
    if (i % f.group == 0) {
      int64_t g = i / f.group;
      scale = f.twoLevel() ? superScale * sub(l.scales, g, integer(f.hasMin ? 0 : -most, most))
                           : half(l.scales, g, uniform(-0.02f, 0.02f));
      if (f.hasMin)
        minimum = f.twoLevel() ? superMin * sub(l.mins, g, integer(0, most)) : half(l.mins, g, uniform(-0.3f, 0.1f));
    }
    int code = integer(0, (1 << f.bits) - 1);
    int64_t block = i / blockK, step = i % blockK / 4, at = r * 4 + i % 4;
    auto set = [&](int64_t offset, int bits) { panel[offset + at] |= std::byte(bits); };
    if (f.bits == 8)
      set(l.codes + (block * 8 + step) * 64, code);
    else
      set(l.codes + (block * 4 + step % 4) * 64, (code & 15) << (step < 4 ? 0 : 4));
    if (f.bits == 5)
      set(l.high + block * 64, (code >> 4) << step);
    if (f.bits == 6)
      set(l.high + (block * 2 + step / 4) * 64, (code >> 4) << 2 * (step % 4));
    values[size_t(row * k + i)] = scale * (code - f.offset()) + minimum;
  }
}

} // namespace sinter::cpu::test
