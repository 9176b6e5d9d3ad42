// SPDX-License-Identifier: Apache-2.0
// Gathers the rows that logits are wanted of, one block a row at a time.
// Arguments: 0 x, 1 y.
#pragma once
#include "templates/cuda/last_tokens_config.h"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/step_counts.cuh"

namespace sinter::cuda {

template <LastTokensConfig C, int N>
__device__ void lastTokens(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  launchDependents();
  waitForPrerequisites();
  int count = logitsCount(step);
  for (int row = int(blockIdx.x); row < count; row += C.grid()) {
    const u16 *x = args.template get<const u16>(0) + (long long)loadL2(step.logitRows + row) * C.hidden;
    u16 *y = args.template get<u16>(1) + (long long)row * C.hidden;
    for (int piece = int(threadIdx.x); piece < C.pieces(); piece += C.threads())
      storeGlobal(y + piece * 8, loadL2x4(x + piece * 8));
  }
}

} // namespace sinter::cuda
