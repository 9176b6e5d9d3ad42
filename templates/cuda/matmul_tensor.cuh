// SPDX-License-Identifier: Apache-2.0
// Copies through tensor maps, and the few other instructions that only the matmul of sm_90a needs.
// Source: PTX ISA 9.0, https://docs.nvidia.com/cuda/parallel-thread-execution/
#pragma once
#include "templates/cuda/ptx.cuh"

namespace sinter::cuda {

/// Before a tensor map in global memory is first used by this thread: it was written by a copy from the host.
__device__ __forceinline__ void acquireTensorMap(const void *map) {
  asm volatile("fence.proxy.tensormap::generic.acquire.sys [%0], 128;" ::"l"(map) : "memory");
}

__device__ __forceinline__ void prefetchTensorMap(const void *map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

__device__ __forceinline__ u64 evictNormalPolicy() {
  u64 policy;
  asm volatile("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

/// Copies a box of a tensor of 4 dimensions to shared memory; its bytes count towards the current phase of `barrier`.
__device__ __forceinline__ void tensorCopy4(u32 target, const void *map, int c0, int c1, int c2, int c3, u32 barrier,
                                            u64 policy) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.L2::cache_hint "
               "[%0], [%1, {%2, %3, %4, %5}], [%6], %7;" ::"r"(target),
               "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(barrier), "l"(policy)
               : "memory");
}

/// The same of 2 dimensions, without a hint.
__device__ __forceinline__ void tensorCopy2(u32 target, const void *map, int c0, int c1, u32 barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3}], [%4];" ::"r"(target),
               "l"(map), "r"(c0), "r"(c1), "r"(barrier)
               : "memory");
}

/// Stores four 8 x 8 matrices of 16-bit elements, each transposed: the inverse of loadMatricesTransposed().
__device__ __forceinline__ void storeMatricesTransposed(u32 address, U32x4 v) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x),
               "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
}

/// Two such matrices; the addresses of lanes from 16 on are not used.
__device__ __forceinline__ void storeTwoMatricesTransposed(u32 address, U32x2 v) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(address), "r"(v.x), "r"(v.y)
               : "memory");
}

/// 16 bytes of the shared memory of any CTA of the cluster. `remote`: peerAddress().
__device__ __forceinline__ U32x4 loadPeer(u32 remote) {
  U32x4 v;
  asm volatile("ld.shared::cluster.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(remote)
               : "memory");
  return v;
}

} // namespace sinter::cuda
