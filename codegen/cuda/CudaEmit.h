// SPDX-License-Identifier: Apache-2.0
// The files of a CUDA plan: one .cu for every distinct kernel, which is nothing but a call, and plan.cpp.
#pragma once
#include "codegen/EmittedFile.h"
#include "codegen/PlanText.h"
#include "codegen/cuda/CudaLaunch.h"
#include "codegen/cuda/CudaObject.h"

namespace sinter {

/// One file a kernel, in the order of plan.kernels.
std::vector<EmittedFile> emitCudaKernels(const CudaLaunchPlan &plan);

/// Where a cubin starts in the payload's section "cubins": a multiple of this.
inline constexpr uint64_t cubinAlignment = 64;

/// plan.cpp, for the host's compiler. `objects` are what NVRTC made of the kernels, in their order; their cubins follow
/// each other in the payload in that order too.
EmittedFile emitCudaPlan(const CudaLaunchPlan &plan, llvm::ArrayRef<CudaObject> objects, const Target &target,
                         llvm::StringRef architecture, const PlanFacts &facts);

} // namespace sinter
