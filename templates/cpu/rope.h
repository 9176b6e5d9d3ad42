// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (Su et al., arXiv:2104.09864) in Hugging Face's rotate-half order: element i of a head is
// paired with element i + headDim / 2.
//
//   rope  args: x [T, heads * headDim], table f32 [maxPositions, headDim] | y [T, heads * headDim]
//
// A table row is the cosines of the headDim / 2 angles at that position, then their sines.
#pragma once
#include "templates/cpu/element.h"
#include "templates/cpu/rows.h"

namespace sinter::cpu {

struct RopeConfig {
  int heads, headDim;
  Element in = Element::F32, out = Element::F32;
  constexpr int columns() const { return heads * headDim; }
  constexpr bool valid() const {
    return headDim > 0 && headDim % 2 == 0 && validRow(out, columns()) && in != Element::Q8;
  }
  constexpr int64_t scratchBytes() const { return out == Element::Q8 ? int64_t(columns()) * 4 : 0; }
};

/// Rotates a head: reads it with value(i, count), writes it with put(i, vector, count).
template <int headDim, typename Value, typename Put>
inline void rotateHead(const float *angles, Value &&value, Put &&put) {
  constexpr int half = headDim / 2;
  forVectors<half>([&](int i, auto count) {
    F32x16 cosine = loadAs<Element::F32, count()>(angles, i), sine = loadAs<Element::F32, count()>(angles, half + i);
    F32x16 a = value(i, count), b = value(half + i, count);
    put(i, a * cosine - b * sine, count);
    put(half + i, b * cosine + a * sine, count);
  });
}

template <RopeConfig C>
void rope(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid());
  const float *table = args.get<const float>(1);
  auto [begin, end] = worker.range(step.numTokens);
  for (int64_t row = begin; row < end; ++row) {
    const std::byte *x = args.get<const std::byte>(0) + row * rowBytes(C.in, C.columns());
    RowWriter<C.out, C.columns()> y(args.get<void>(2), row, worker.scratch);
    for (int at = 0; at < C.columns(); at += C.headDim)
      rotateHead<C.headDim>(
          table + int64_t(step.positions[row]) * C.headDim,
          [&](int i, auto count) { return loadAs<C.in, count()>(x, at + i); },
          [&](int i, F32x16 a, auto count) { y.put(at + i, a, count); });
    y.finish();
  }
}

} // namespace sinter::cpu
