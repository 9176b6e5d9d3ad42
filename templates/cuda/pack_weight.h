// SPDX-License-Identifier: Apache-2.0
// The host side of layout.h: from rows of bfloat16 to the stream that the matmuls read, for codegen and for the checks
// of kernels. Plain C++. A row can be packed as soon as it is there, in any order and by any thread: no two rows share
// a byte.
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
      uint16_t elements[piece] = {};
      int left = values ? k - first - column : 0;
      if (left >= piece)
        std::memcpy(elements, values + first + column, sizeof(elements));
      else if (left > 0)
        std::memcpy(elements, values + first + column, size_t(left) * sizeof(uint16_t));
      std::memcpy(block + atomIndex(int(row % atomRows), column), elements, sizeof(elements));
    }
}

} // namespace sinter::cuda
