// SPDX-License-Identifier: Apache-2.0
// How the warps of a resident step wait: for activations of other SMs, which are words of arrival_words.cuh, and at
// barriers. Every wait is bounded: if something that must come does not, the kernel traps, and its launch reports an
// error.
#pragma once
#include "templates/cuda/arrival_words.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/ptx/trap.cuh"

namespace sinter::cuda {

/// How often something is looked for before the kernel gives up: more than a second.
inline constexpr u32 stepPatience = 1u << 22;

__device__ __forceinline__ void giveUp(u32 looked) {
  if (looked == stepPatience)
    trap();
}

__device__ __forceinline__ void barrierWaitBounded(u32 barrier, u32 parity) {
  for (u32 looked = 0; !barrierTryWait(barrier, parity); ++looked)
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
      if (absent(words[i]))
        words[i] = loadRelaxed(at(i));
    missing = false;
#pragma unroll
    for (int i = 0; i < N; ++i)
      missing |= absent(words[i]);
    missing = __any_sync(~0u, missing);
    giveUp(looked);
  }
}

/// Asks for 16 bytes each, `apart` words from each other, that are not there yet.
template <int N>
__device__ __forceinline__ void askVectors(U32x4 (&words)[N], const u32 *from, int apart) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    loadRelaxedIf(absent(words[i]), words[i], from + i * apart);
}
/// Waits for what was asked for, by whole warps.
template <int N>
__device__ __forceinline__ void pollVectors(U32x4 (&words)[N], const u32 *from, int apart) {
#pragma unroll 1
  for (u32 looked = 0;; ++looked) {
    bool missing = false;
#pragma unroll
    for (int i = 0; i < N; ++i)
      missing |= absent(words[i]);
    if (!__any_sync(~0u, missing))
      break;
    askVectors<N>(words, from, apart);
    giveUp(looked);
  }
}

} // namespace sinter::cuda
