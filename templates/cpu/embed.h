// SPDX-License-Identifier: Apache-2.0
// Embedding: a row of the table for every token of the step.
//
//   embed  args: table [vocabulary, hidden] | y [T, hidden]     the tokens are step.tokens
//
// The table lies as a matmul streams it (layout.h), so that one copy serves as embedding and as LM head, or row after
// row when nothing else reads it.
#pragma once
#include "templates/cpu/element.h"
#include "templates/cpu/gather_row.h"
#include "templates/cpu/rows.h"

namespace sinter::cpu {

struct EmbedConfig {
  int hidden;
  WeightFormat table;
  bool rowMajor = false; ///< table.element, [vocabulary][hidden]
  Element out = Element::F32;
  constexpr bool valid() const {
    return validRow(out, hidden) && table.valid(hidden) && !(rowMajor && table.quantized());
  }
  /// The gathered floats, then what a q8 row is made of.
  constexpr int64_t scratchBytes() const { return int64_t(hidden) * 4 * (out == Element::Q8 ? 2 : 1); }
};

template <EmbedConfig C>
void embed(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid());
  auto *gathered = reinterpret_cast<float *>(worker.scratch);
  auto [begin, end] = worker.range(step.numTokens);
  for (int64_t row = begin; row < end; ++row) {
    RowWriter<C.out, C.hidden> y(args.get<void>(1), row, worker.scratch + int64_t(C.hidden) * 4);
    if constexpr (C.rowMajor) {
      auto *from = args.get<const std::byte>(0) + step.tokens[row] * rowBytes(C.table.element, C.hidden);
      forVectors<C.hidden>([&](int i, auto count) { y.put(i, loadAs<C.table.element, count()>(from, i), count); });
    } else {
      gatherRow<C.table, C.hidden>(args.get<const void>(0), step.tokens[row], gathered);
      forVectors<C.hidden>([&](int i, auto count) { y.put(i, loadAs<Element::F32, count()>(gathered, i), count); });
    }
    y.finish();
  }
}

} // namespace sinter::cpu
