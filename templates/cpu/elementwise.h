// SPDX-License-Identifier: Apache-2.0
// Kernels that compute each element of a row from the same elements of other rows, or copy them.
//
//   add         args: a, b | y        y = a + b
//   siluMul     args: gate, up | y    y = gate * sigmoid(gate) * up
//   addBias     args: x, bias [columns] | y
//   cast        args: x | y           another type, or q8 records
//   sliceColumns  args: x [rows, inColumns] | y [rows, columns]: columns [begin, begin + columns) of x
//   lastTokens  args: x [T, columns] | y [S, columns]: the rows step.logitRows of x
//
// Operands and results are [rows, columns] unless said otherwise. A result may be one of its operands.
#pragma once
#include "templates/cpu/element.h"
#include "templates/cpu/rows.h"

namespace sinter::cpu {

/// add, siluMul: `a` and `b` in the order of the operands. addBias: `b` is the bias.
struct BinaryConfig {
  int columns;
  Element a = Element::F32, b = Element::F32, out = Element::F32;
  Rows rows = Rows::Tokens;
  constexpr bool valid() const { return validRow(out, columns) && a != Element::Q8 && b != Element::Q8; }
  constexpr int64_t scratchBytes() const { return out == Element::Q8 ? int64_t(columns) * 4 : 0; }
};

/// sliceColumns alone sets `begin` and `inColumns`. lastTokens: rows == Rows::Logits.
struct CopyConfig {
  int columns; ///< of the result
  int begin = 0;
  int inColumns = 0; ///< of a row of x; 0: columns
  Element in = Element::F32, out = Element::F32;
  Rows rows = Rows::Tokens;
  constexpr int stride() const { return inColumns ? inColumns : columns; }
  constexpr bool valid() const {
    return validRow(out, columns) && in != Element::Q8 && begin >= 0 && begin + columns <= stride();
  }
  constexpr int64_t scratchBytes() const { return out == Element::Q8 ? int64_t(columns) * 4 : 0; }
};

/// Writes a row of results; value(i, count) yields them as vectors.
template <Element out, int columns, typename F>
inline void writeRow(void *matrix, int64_t row, std::byte *scratch, F &&value) {
  RowWriter<out, columns> y(matrix, row, scratch);
  forVectors<columns>([&](int i, auto count) { y.put(i, value(i, count), count); });
  y.finish();
}

/// y[row] = combine(a[row], b[row]); all rows share one b when `oneB`.
template <BinaryConfig C, bool oneB, typename F>
inline void binaryRows(const rt::Step &step, const rt::Args &args, const rt::Worker &worker, F &&combine) {
  static_assert(C.valid());
  auto [begin, end] = worker.range(rowCount(C.rows, step));
  for (int64_t row = begin; row < end; ++row) {
    const std::byte *a = args.get<const std::byte>(0) + row * rowBytes(C.a, C.columns);
    const std::byte *b = args.get<const std::byte>(1) + (oneB ? 0 : row * rowBytes(C.b, C.columns));
    writeRow<C.out, C.columns>(args.get<void>(2), row, worker.scratch, [&](int i, auto count) {
      return combine(loadAs<C.a, count()>(a, i), loadAs<C.b, count()>(b, i));
    });
  }
}

template <BinaryConfig C>
void add(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  binaryRows<C, false>(step, args, worker, [](F32x16 a, F32x16 b) { return a + b; });
}

template <BinaryConfig C>
void addBias(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  binaryRows<C, true>(step, args, worker, [](F32x16 a, F32x16 b) { return a + b; });
}

template <BinaryConfig C>
void siluMul(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  binaryRows<C, false>(step, args, worker, [](F32x16 gate, F32x16 up) { return silu(gate) * up; });
}

/// y[row] = columns [begin, begin + columns) of x[source(row)].
template <CopyConfig C, typename F>
inline void copyRows(const rt::Step &step, const rt::Args &args, const rt::Worker &worker, F &&source) {
  static_assert(C.valid());
  auto [begin, end] = worker.range(rowCount(C.rows, step));
  for (int64_t row = begin; row < end; ++row) {
    const std::byte *x = args.get<const std::byte>(0) + source(row) * rowBytes(C.in, C.stride());
    writeRow<C.out, C.columns>(args.get<void>(1), row, worker.scratch,
                               [&](int i, auto count) { return loadAs<C.in, count()>(x, C.begin + i); });
  }
}

template <CopyConfig C>
void cast(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  copyRows<C>(step, args, worker, [](int64_t row) { return row; });
}

template <CopyConfig C>
void sliceColumns(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  copyRows<C>(step, args, worker, [](int64_t row) { return row; });
}

template <CopyConfig C>
void lastTokens(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.rows == Rows::Logits);
  copyRows<C>(step, args, worker, [&](int64_t row) { return int64_t(step.logitRows[row]); });
}

} // namespace sinter::cpu
