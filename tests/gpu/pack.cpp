// SPDX-License-Identifier: Apache-2.0
// templates/cuda/pack_weight.h for the GPU checks, which are in Python.
#include "templates/cuda/pack_weight.h"

using namespace sinter::cuda;

/// A weight [n, k], and zeros after its rows up to a whole tile.
extern "C" void packPlain(const uint16_t *weight, int64_t n, int k, uint16_t *stream) {
  for (int64_t i = 0; i < paddedRows(n); ++i)
    packRow(stream, i, k, i < n ? weight + i * k : nullptr);
}

/// Gate and up [n, k], eight rows of each in turn, and zeros after them up to a whole tile.
extern "C" void packPair(const uint16_t *gate, const uint16_t *up, int64_t n, int k, uint16_t *stream) {
  for (int64_t i = 0; i < paddedGateUpRows(n) / 2; ++i) {
    packRow(stream, gateUpRow(i, false), k, i < n ? gate + i * k : nullptr);
    packRow(stream, gateUpRow(i, true), k, i < n ? up + i * k : nullptr);
  }
}
