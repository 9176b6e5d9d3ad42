// SPDX-License-Identifier: Apache-2.0
// How many rows this step has for a kernel.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/ptx.cuh"
#include "templates/cuda/rows.h"

namespace sinter::cuda {

/// After waitForPrerequisites().
template <Rows R>
__device__ __forceinline__ int rowCount(const rt::CudaStep &step) {
  return loadL2(step.counts + (R == Rows::Tokens ? int(rt::CudaStep::Tokens) : int(rt::CudaStep::Logits)));
}

} // namespace sinter::cuda
