// SPDX-License-Identifier: Apache-2.0
// The time. Source: PTX ISA 9.0, "Special Registers": %clock
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// Clocks of this SM, modulo 2^32.
__device__ __forceinline__ u32 clockNow() {
  u32 now;
  asm volatile("mov.u32 %0, %%clock;" : "=r"(now)::"memory");
  return now;
}

} // namespace sinter::cuda
