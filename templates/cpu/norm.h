// SPDX-License-Identifier: Apache-2.0
// RMS normalisation: y = x * w / sqrt(mean(x^2) + eps), computed in float32 and rounded once.
//
//   rmsNorm      args: x [rows, hidden], w [hidden] | y [rows, hidden]
//   headRmsNorm  args: x [rows, heads * headDim], w [headDim] | y: every head of a row on its own
//   addRmsNorm   args: x, r [rows, hidden], w [hidden] | sum, y: sum = x + r rounded to its type, y the norm of that
//
// A row belongs to one thread and its squares are summed in an order that depends on `hidden` alone.
#pragma once
#include "templates/cpu/element.h"
#include "templates/cpu/rows.h"
#include <cmath>

namespace sinter::cpu {

struct RmsNormConfig {
  int hidden;
  float eps;
  Element in = Element::F32, weight = Element::F32, out = Element::F32;
  Rows rows = Rows::Tokens;
  constexpr bool valid() const {
    return validRow(out, hidden) && in != Element::Q8 && weight != Element::Q8 && eps >= 0;
  }
  constexpr int64_t scratchBytes() const { return out == Element::Q8 ? int64_t(hidden) * 4 : 0; }
};

struct HeadRmsNormConfig {
  int heads, headDim;
  float eps;
  Element in = Element::F32, weight = Element::F32, out = Element::F32;
  Rows rows = Rows::Tokens;
  constexpr int hidden() const { return heads * headDim; }
  constexpr bool valid() const {
    return headDim > 0 && validRow(out, hidden()) && in != Element::Q8 && weight != Element::Q8 && eps >= 0;
  }
  constexpr int64_t scratchBytes() const { return out == Element::Q8 ? int64_t(hidden()) * 4 : 0; }
};

struct AddRmsNormConfig {
  int hidden;
  float eps;
  Element x = Element::F32, residual = Element::F32, weight = Element::F32, sum = Element::F32, out = Element::F32;
  Rows rows = Rows::Tokens;
  constexpr bool valid() const {
    return validRow(out, hidden) && x != Element::Q8 && residual != Element::Q8 && weight != Element::Q8 &&
           sum != Element::Q8 && eps >= 0;
  }
  constexpr int64_t scratchBytes() const { return out == Element::Q8 ? int64_t(hidden) * 4 : 0; }
};

/// 1 / sqrt(mean of squares + eps) of n values; load(i, count) yields them as vectors. Four sums hide the latency.
template <int n, typename Load>
inline float inverseRms(float eps, Load &&load) {
  F32x16 sums[4] = {zeroF(), zeroF(), zeroF(), zeroF()};
  forVectors<n>([&](int i, auto count) {
    F32x16 a = load(i, count);
    F32x16 &sum = sums[i / lanes % 4];
    sum = fma(a, a, sum);
  });
  float squares = reduceAdd((sums[0] + sums[1]) + (sums[2] + sums[3]));
  return 1.0f / std::sqrt(squares / float(n) + eps);
}

template <RmsNormConfig C>
void rmsNorm(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid());
  const void *w = args.get<const void>(1);
  auto [begin, end] = worker.range(rowCount(C.rows, step));
  for (int64_t row = begin; row < end; ++row) {
    const std::byte *x = args.get<const std::byte>(0) + row * rowBytes(C.in, C.hidden);
    F32x16 inverse = splat(inverseRms<C.hidden>(C.eps, [&](int i, auto count) { return loadAs<C.in, count()>(x, i); }));
    RowWriter<C.out, C.hidden> y(args.get<void>(2), row, worker.scratch);
    forVectors<C.hidden>([&](int i, auto count) {
      y.put(i, loadAs<C.in, count()>(x, i) * inverse * loadAs<C.weight, count()>(w, i), count);
    });
    y.finish();
  }
}

template <HeadRmsNormConfig C>
void headRmsNorm(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid());
  const void *w = args.get<const void>(1);
  auto [begin, end] = worker.range(rowCount(C.rows, step));
  for (int64_t row = begin; row < end; ++row) {
    const std::byte *x = args.get<const std::byte>(0) + row * rowBytes(C.in, C.hidden());
    RowWriter<C.out, C.hidden()> y(args.get<void>(2), row, worker.scratch);
    for (int head = 0; head < C.heads; ++head) {
      int at = head * C.headDim;
      auto value = [&](int i, auto count) { return loadAs<C.in, count()>(x, at + i); };
      F32x16 inverse = splat(inverseRms<C.headDim>(C.eps, value));
      forVectors<C.headDim>([&](int i, auto count) {
        y.put(at + i, value(i, count) * inverse * loadAs<C.weight, count()>(w, i), count);
      });
    }
    y.finish();
  }
}

template <AddRmsNormConfig C>
void addRmsNorm(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid());
  const void *w = args.get<const void>(2);
  auto [begin, end] = worker.range(rowCount(C.rows, step));
  for (int64_t row = begin; row < end; ++row) {
    const std::byte *x = args.get<const std::byte>(0) + row * rowBytes(C.x, C.hidden);
    const std::byte *r = args.get<const std::byte>(1) + row * rowBytes(C.residual, C.hidden);
    std::byte *sum = args.get<std::byte>(3) + row * rowBytes(C.sum, C.hidden);
    F32x16 inverse = splat(inverseRms<C.hidden>(C.eps, [&](int i, auto count) {
      F32x16 total = roundTo<C.sum>(loadAs<C.x, count()>(x, i) + loadAs<C.residual, count()>(r, i));
      storeAs<C.sum, count()>(sum, i, total);
      return total;
    }));
    RowWriter<C.out, C.hidden> y(args.get<void>(4), row, worker.scratch);
    forVectors<C.hidden>([&](int i, auto count) {
      y.put(i, loadAs<C.sum, count()>(sum, i) * inverse * loadAs<C.weight, count()>(w, i), count);
    });
    y.finish();
  }
}

} // namespace sinter::cpu
