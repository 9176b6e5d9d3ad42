// SPDX-License-Identifier: Apache-2.0
// How much a step has, and what it has of a sequence. All after waitForPrerequisites().
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/ptx/memory.cuh"

namespace sinter::cuda {

/// Rows of the activations: T in a body, S in a head.
__device__ __forceinline__ int rowCount(const rt::CudaStep &step) { return loadL2(step.counts + rt::CudaStep::Tokens); }

/// S, in bodies and heads.
__device__ __forceinline__ int logitsCount(const rt::CudaStep &step) {
  return loadL2(step.counts + rt::CudaStep::Logits);
}

__device__ __forceinline__ int sequenceCount(const rt::CudaStep &step) {
  return loadL2(step.counts + rt::CudaStep::Sequences);
}

/// Tokens that a sequence has in this step.
__device__ __forceinline__ int queryLength(const rt::CudaStep &step, int sequence) {
  return loadL2(step.queryStart + sequence + 1) - loadL2(step.queryStart + sequence);
}

} // namespace sinter::cuda
