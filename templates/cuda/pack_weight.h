// SPDX-License-Identifier: Apache-2.0
// The host side of layout.h: from rows of bfloat16 to the stream that the matmuls read. Plain C++. A row can be packed
// as soon as it is there, in any order and by any thread: no two rows share a byte.
#pragma once
#include "templates/cuda/layout.h"
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sinter::cuda {

/// Rows of the stream of `n` rows; the next of several stacked weights starts there.
constexpr int64_t paddedRows(int64_t n) { return (n + tileRows - 1) / tileRows * tileRows; }

/// Rows of the stream of a gate and an up projection of `n` rows each.
constexpr int64_t paddedGateUpRows(int64_t n) { return (n + atomRows - 1) / atomRows * tileRows; }

/// Elements of a stream of `rows` rows, padding included, of k columns.
constexpr size_t packedElements(int64_t rows, int k) {
  return size_t(rows / tileRows) * size_t(blocksOf(k)) * size_t(blockBytes / 2);
}

/// Packs row `row` of the stream: `k` elements from `values`, then zeros up to a whole block. Null: all zeros.
inline void packRow(uint16_t *stream, int64_t row, int k, const uint16_t *values) {
  constexpr int piece = 8; // elements that stay together
  uint16_t *block = stream + packedIndex(row / atomRows * atomRows, 0, blocksOf(k));
  for (int first = 0; first < k; first += atomColumns, block += blockBytes / 2)
    for (int column = 0; column < atomColumns; column += piece) {
      uint16_t *target = block + atomIndex(int(row % atomRows), column);
      int count = !values ? 0 : k - first - column < piece ? k - first - column : piece;
      if (count < piece)
        std::memset(target, 0, piece * sizeof(uint16_t));
      if (count > 0)
        std::memcpy(target, values + first + column, size_t(count) * sizeof(uint16_t));
    }
}

/// Packs the rows of a weight [n, k] to rows `first` and on, and zeros after them up to a whole tile.
inline void packWeight(const uint16_t *weight, int64_t n, int k, int64_t first, uint16_t *stream) {
  for (int64_t i = 0; i < paddedRows(n); ++i)
    packRow(stream, first + i, k, i < n ? weight + i * k : nullptr);
}

/// Packs gate and up [n, k], eight rows of each in turn, and zeros after them up to a whole tile.
inline void packGateUp(const uint16_t *gate, const uint16_t *up, int64_t n, int k, uint16_t *stream) {
  for (int64_t i = 0; i < paddedGateUpRows(n) / 2; ++i) {
    packRow(stream, gateUpRow(i, false), k, i < n ? gate + i * k : nullptr);
    packRow(stream, gateUpRow(i, true), k, i < n ? up + i * k : nullptr);
  }
}

} // namespace sinter::cuda
