// SPDX-License-Identifier: Apache-2.0
// What the instructions in this folder are given: words, vectors of words, addresses in shared memory.
//
// templates/cuda/ptx/ has the instructions that C++ has no words for, each as one function, by topic; kernels have no
// inline assembly of their own. No toolkit header is needed. What says nothing else needs sm_90, or sm_80 where it is
// about loads, stores, cp.async, ldmatrix, mma and bfloat16.
// Source: PTX ISA 9.0, https://docs.nvidia.com/cuda/parallel-thread-execution/; each file names its chapters.
#pragma once

namespace sinter::cuda {

using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;

struct alignas(8) U32x2 {
  u32 x, y;
};
struct alignas(16) U32x4 {
  u32 x, y, z, w;
};

/// Two words, or four.
template <int Count>
struct WordVector {
  using Type = U32x4;
};
template <>
struct WordVector<2> {
  using Type = U32x2;
};
template <int Count>
using Words = typename WordVector<Count>::Type;

/// Address of a pointer into shared memory, as the instructions below want it.
__device__ __forceinline__ u32 sharedAddress(const void *p) { return static_cast<u32>(__cvta_generic_to_shared(p)); }

/// `v` is worked out here: not again where it is used, and not only there, behind what is waited for in between.
__device__ __forceinline__ void keepInRegister(u32 &v) { asm volatile("" : "+r"(v)); }
__device__ __forceinline__ void keepInRegister(u32 *&v) { asm volatile("" : "+l"(v)); }

} // namespace sinter::cuda
