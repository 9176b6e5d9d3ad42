// SPDX-License-Identifier: Apache-2.0
// What a warpgroup, 128 threads, does together on sm_90a beside the products of wgmma.cuh: shares of registers, the
// order of asynchronous products, and descriptors of their operands in shared memory. Source: PTX ISA 9.0,
// "Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions"; "Miscellaneous Instructions": setmaxnreg
#pragma once
#include "templates/cuda/layout.h"
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// Gives up registers, or takes some that others gave up, until each thread of the warpgroup has `Count`.
template <int Count>
__device__ __forceinline__ void releaseRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}
template <int Count>
__device__ __forceinline__ void acquireRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

/// Before the first wgmma, and whenever a register that one uses was written.
__device__ __forceinline__ void wgmmaFence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

/// Ends a group of wgmmas.
__device__ __forceinline__ void wgmmaCommit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/// All but the latest `Pending` groups are complete.
template <int Pending>
__device__ __forceinline__ void wgmmaWait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

/// Keeps the compiler from using registers of an asynchronous wgmma before this place, or from moving them.
template <int N>
__device__ __forceinline__ void pinRegisters(float (&registers)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    asm volatile("" : "+f"(registers[i])::"memory");
}

/// The same for accumulators in groups of four.
template <int N>
__device__ __forceinline__ void pinRegisters(float (&registers)[N][4]) {
#pragma unroll
  for (int i = 0; i < N; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
      asm volatile("" : "+f"(registers[i][j])::"memory");
}

/// An operand of atoms of layout.h, the first at `place`, an address in units of 16 bytes: the next 16 columns of an
/// operand whose rows are contiguous are at + 2. `stride`: bytes from eight rows to the next eight; `leading`: from 64
/// columns to the next 64, of meaning only where columns are the contiguous side of a transposed operand.
__device__ __forceinline__ u64 wgmmaOperand(u32 place, u32 leading = 16, u32 stride = atomBytes) {
  constexpr u64 swizzle128 = 1ull << 62;
  return u64(place) | u64(leading >> 4) << 16 | u64(stride >> 4) << 32 | swizzle128;
}

} // namespace sinter::cuda
