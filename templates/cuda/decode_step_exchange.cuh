// SPDX-License-Identifier: Apache-2.0
// How the SMs of a resident step hand each other activations: words in global memory that are 0 until they are there.
// No flag, no fence, no counter: a word is data and flag in one. Two zeros are written as a negative and a positive
// one.
//
// Every wait is bounded: if something that must come does not, the kernel traps, and the launch reports an error.
// Source: the "LL" protocol of NCCL, in which 4 of 8 bytes are a flag
#pragma once
#include "templates/cuda/decode_step_config.h"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/memory.cuh"

namespace sinter::cuda {

__device__ __forceinline__ u32 loadRelaxed(const u32 *p) {
  u32 v;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}
__device__ __forceinline__ void storeRelaxed(u32 *p, u32 v) {
  asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
}

__device__ __forceinline__ u32 loadSharedWord(u32 address) {
  u32 v;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
  return v;
}

/// As words are published.
__device__ __forceinline__ u32 presentPair(u32 pair) { return pair ? pair : 0x8000u; }
__device__ __forceinline__ u32 presentFloat(float v) {
  u32 word = __float_as_uint(v);
  return word ? word : 0x80000000u;
}

/// How often something is looked for before the kernel gives up: more than a second.
inline constexpr u32 stepPatience = 1u << 22;

__device__ __forceinline__ void giveUp(u32 looked) {
  if (looked == stepPatience)
    asm volatile("trap;");
}

__device__ __forceinline__ bool barrierTry(u32 barrier, u32 parity) {
  u32 done;
  asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, "
               "1, 0, p;\n}"
               : "=r"(done)
               : "r"(barrier), "r"(parity)
               : "memory");
  return done;
}

__device__ __forceinline__ void barrierWaitBounded(u32 barrier, u32 parity) {
  for (u32 looked = 0; !barrierTry(barrier, parity); ++looked)
    giveUp(looked);
}

/// Waits for words by whole warps: `at(i)` is where word i is to come, null if it is not wanted.
template <int N, typename At>
__device__ __forceinline__ void pollWords(u32 (&words)[N], At at) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    words[i] = at(i) ? 0 : 1;
  bool missing = true;
#pragma unroll 1
  for (u32 looked = 0; missing; ++looked) {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (words[i] == 0)
        words[i] = loadRelaxed(at(i));
    missing = false;
#pragma unroll
    for (int i = 0; i < N; ++i)
      missing |= words[i] == 0;
    missing = __any_sync(~0u, missing);
    giveUp(looked);
  }
}

} // namespace sinter::cuda
