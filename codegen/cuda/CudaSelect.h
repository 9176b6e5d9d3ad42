// SPDX-License-Identifier: Apache-2.0
// Instruction selection of the CUDA target: ops to calls of templates/cuda, for every bucket of rows.
#pragma once
#include "codegen/cuda/CudaArch.h"
#include "codegen/cuda/CudaLaunch.h"

namespace sinter {

struct CudaSelectOptions {
  const CudaArch *arch = nullptr;
  bool portable = false; ///< only what every architecture has: mma.sync and cp.async
  int64_t maxSeqs = 256, maxStepTokens = 8192, maxStepLogits = 256;
};

/// The launches of a step. The graph is what the CUDA pipeline ends with. An error names the first op that no template
/// serves, where it was written, and why.
llvm::Expected<CudaLaunchPlan> selectCuda(const Graph &step, const CudaSelectOptions &options);

} // namespace sinter
