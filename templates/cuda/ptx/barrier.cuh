// SPDX-License-Identifier: Apache-2.0
// Barriers in shared memory, at which threads and asynchronous copies arrive and which count their phases by parity;
// and the numbered barriers of a CTA. Source: PTX ISA 9.0, "Parallel Synchronization and Communication Instructions":
// mbarrier, bar
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

__device__ __forceinline__ void barrierInit(u32 barrier, u32 count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}

/// Makes inits visible to the async proxy and to the cluster; a barrier among threads has to follow.
__device__ __forceinline__ void barrierInitFence() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void barrierArrive(u32 barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/// Arrives once for a warp, when all of its lanes have come here.
__device__ __forceinline__ void barrierArriveWarp(u32 barrier, u32 lane) {
  __syncwarp();
  if (lane == 0)
    barrierArrive(barrier);
}

/// Arrives, and lets the phase wait for `bytes` more that a bulk copy will bring.
__device__ __forceinline__ void barrierArriveExpect(u32 barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

__device__ __forceinline__ void barrierWait(u32 barrier, u32 parity) {
  asm volatile("{\n.reg .pred done;\n"
               "again:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
               "@!done bra again;\n}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}

/// Whether the phase is complete; waits for it for as long as the hardware sees fit.
__device__ __forceinline__ bool barrierTryWait(u32 barrier, u32 parity) {
  u32 done;
  asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
               : "=r"(done)
               : "r"(barrier), "r"(parity)
               : "memory");
  return done;
}

/// Whether the phase is complete, without waiting.
__device__ __forceinline__ bool barrierTestWait(u32 barrier, u32 parity) {
  u32 done;
  asm volatile("{\n.reg .pred p;\nmbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
               : "=r"(done)
               : "r"(barrier), "r"(parity)
               : "memory");
  return done;
}

/// As barrierWait, and what other CTAs of the cluster wrote before they arrived is visible afterwards.
__device__ __forceinline__ void barrierWaitCluster(u32 barrier, u32 parity) {
  asm volatile("{\n.reg .pred done;\n"
               "again:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
               "@!done bra again;\n}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}

/// Barrier `id` (1 to 15) among `threads` threads of the CTA, a multiple of 32.
__device__ __forceinline__ void namedBarrier(u32 id, u32 threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// Counts as `threads` threads do at namedBarrier(), without waiting for the others.
__device__ __forceinline__ void namedBarrierArrive(u32 id, u32 threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

} // namespace sinter::cuda
