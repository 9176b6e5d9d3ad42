// SPDX-License-Identifier: Apache-2.0
// Programmatic dependent launch: a kernel starts while the one before it still runs.
// Source: PTX ISA 9.0, "Parallel Synchronization and Communication Instructions": griddepcontrol; "Special Registers"
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// Lets the next kernel of the stream start once every CTA of this one has said so. It exposes no data early.
/// Before sm_90 kernels follow each other without overlap, and there is nothing to say.
__device__ __forceinline__ void launchDependents() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// Returns once the kernels before this one are complete and their writes visible.
__device__ __forceinline__ void waitForPrerequisites() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// 0, of which the compiler does not know it: grids have one dimension.
__device__ __forceinline__ u32 unknownZero() {
  u32 zero;
  asm("mov.u32 %0, %%ctaid.y;" : "=r"(zero));
  return zero;
}

} // namespace sinter::cuda
