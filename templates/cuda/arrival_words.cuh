// SPDX-License-Identifier: Apache-2.0
// Words in global memory by which CTAs hand each other numbers while they run: 0 until they are there. A word is data
// and flag in one, so neither fence nor counter is between its writer and its reader. Numbers that would be 0 are
// written as others next to them.
// Source: the "LL" protocol of NCCL, in which 4 of 8 bytes are a flag
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// Two bfloat16; two zeros become a negative and a positive one.
__device__ __forceinline__ u32 presentPair(u32 pair) { return pair ? pair : 0x8000u; }

/// A float; zero becomes a negative one.
__device__ __forceinline__ u32 presentFloat(float v) {
  u32 word = __float_as_uint(v);
  return word ? word : 0x80000000u;
}

/// The same in one instruction, within one unit in the last place: the last bit is set.
__device__ __forceinline__ u32 presentOdd(float v) { return __float_as_uint(v) | 1; }

__device__ __forceinline__ bool absent(u32 v) { return v == 0; }
__device__ __forceinline__ bool absent(U32x2 v) { return (v.x == 0) | (v.y == 0); }
__device__ __forceinline__ bool absent(U32x4 v) { return (v.x == 0) | (v.y == 0) | (v.z == 0) | (v.w == 0); }

/// presentOdd(0), two or four times.
template <int Count>
constexpr __device__ Words<Count> presentZeros() {
  if constexpr (Count == 4)
    return {1, 1, 1, 1};
  else
    return {1, 1};
}

} // namespace sinter::cuda
