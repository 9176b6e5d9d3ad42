// SPDX-License-Identifier: Apache-2.0
// The host side of layout.h: from row-major bfloat16 weights to the stream that a matvec reads. Plain C++.
#pragma once
#include "templates/cuda/layout.h"
#include <cstddef>
#include <cstdint>

namespace sinter::cuda {

/// Elements of the stream of a weight [n, k]; n is rounded up to a tile of 16, k to a block of 32.
inline size_t packedElements(int64_t n, int k) {
  return size_t((n + tileRows - 1) / tileRows) * size_t(blocksOf(k)) * size_t(blockBytes / 2);
}

/// Elements of the stream of a gate and an up projection [n, k] each; n is rounded up to 8.
inline size_t packedGateUpElements(int64_t n, int k) { return packedElements((n + 7) / 8 * tileRows, k); }

/// Packs rows [begin, end) of the bfloat16 weight [n, k] into `stream`, which the caller has zeroed.
inline void packWeight(const uint16_t *weight, int k, int64_t begin, int64_t end, uint16_t *stream) {
  int blocks = blocksOf(k);
  for (int64_t row = begin; row < end; ++row)
    for (int column = 0; column < k; ++column)
      stream[packedIndex(row, column, blocks)] = weight[row * k + column];
}

/// Packs outputs [begin, end) of gate and up [n, k], tile by tile interleaved, into `stream`, zeroed by the caller.
inline void packGateUp(const uint16_t *gate, const uint16_t *up, int k, int64_t begin, int64_t end, uint16_t *stream) {
  int blocks = blocksOf(k);
  for (int64_t i = begin; i < end; ++i)
    for (int column = 0; column < k; ++column) {
      stream[packedIndex(gateUpRow(i, false), column, blocks)] = gate[i * k + column];
      stream[packedIndex(gateUpRow(i, true), column, blocks)] = up[i * k + column];
    }
}

} // namespace sinter::cuda
