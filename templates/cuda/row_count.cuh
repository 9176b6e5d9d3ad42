// SPDX-License-Identifier: Apache-2.0
// How many rows this step has for a kernel.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/ptx.cuh"

namespace sinter::cuda {

/// Of the activations: T in a body, S in a head. After waitForPrerequisites(), as logitsCount().
__device__ __forceinline__ int rowCount(const rt::CudaStep &step) { return loadL2(step.counts + rt::CudaStep::Tokens); }

/// S, in bodies and heads.
__device__ __forceinline__ int logitsCount(const rt::CudaStep &step) {
  return loadL2(step.counts + rt::CudaStep::Logits);
}

} // namespace sinter::cuda
