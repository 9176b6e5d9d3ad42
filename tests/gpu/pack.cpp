// SPDX-License-Identifier: Apache-2.0
// templates/cuda/pack_weight.h for the GPU checks, which are in Python.
#include "templates/cuda/pack_weight.h"

extern "C" void packPlain(const uint16_t *weight, int64_t n, int k, uint16_t *stream) {
  sinter::cuda::packWeight(weight, n, k, 0, stream);
}

extern "C" void packPair(const uint16_t *gate, const uint16_t *up, int64_t n, int k, uint16_t *stream) {
  sinter::cuda::packGateUp(gate, up, n, k, stream);
}
