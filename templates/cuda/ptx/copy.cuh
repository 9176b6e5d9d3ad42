// SPDX-License-Identifier: Apache-2.0
// Asynchronous copies to shared memory: by each thread (cp.async, sm_80), of a whole range by one thread (bulk), and of
// a box of a tensor by one thread (TMA). Source: PTX ISA 9.0, "Data Movement and Conversion Instructions": cp.async,
// cp.async.bulk, cp.async.bulk.prefetch, cp.async.bulk.tensor, createpolicy; "Memory Consistency Model": proxies
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// Copies `bytes`, 16 or 0, to shared memory and fills up with zeros. From L2, like the loads below: this SM may have
/// started before the kernel that wrote them had ended.
__device__ __forceinline__ void asyncCopy(u32 target, const void *source, u32 bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(source), "r"(bytes) : "memory");
}

/// This thread's asynchronous copies are there, for this thread.
__device__ __forceinline__ void asyncCopyWait() { asm volatile("cp.async.wait_all;" ::: "memory"); }

/// Arrives, as one of those that the barrier counts, once this thread's asynchronous copies so far are there.
__device__ __forceinline__ void asyncCopyArrive(u32 barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
}

/// Ends a group of this thread's asynchronous copies.
__device__ __forceinline__ void asyncCopyCommit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// All but the latest `Pending` groups of this thread's asynchronous copies are there, for this thread.
template <int Pending>
__device__ __forceinline__ void asyncCopyWaitGroup() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

__device__ __forceinline__ u64 evictFirstPolicy() {
  u64 policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

__device__ __forceinline__ u64 evictNormalPolicy() {
  u64 policy;
  asm volatile("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

/// Copies `bytes`, a multiple of 16, to shared memory; they count towards the current phase of `barrier`.
__device__ __forceinline__ void bulkCopy(u32 target, const void *source, u32 bytes, u32 barrier, u64 policy) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
               "[%0], [%1], %2, [%3], %4;" ::"r"(target),
               "l"(source), "r"(bytes), "r"(barrier), "l"(policy)
               : "memory");
}

/// The same, of what others are going to read too.
__device__ __forceinline__ void bulkCopy(u32 target, const void *source, u32 bytes, u32 barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(target),
               "l"(source), "r"(bytes), "r"(barrier)
               : "memory");
}

/// Asks for `bytes`, a multiple of 16, to be brought to L2.
__device__ __forceinline__ void bulkPrefetch(const void *source, u32 bytes) {
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(source), "r"(bytes) : "memory");
}

/// Before a tensor map in global memory is first used by this thread: it was written by a copy from the host.
__device__ __forceinline__ void acquireTensorMap(const void *map) {
  asm volatile("fence.proxy.tensormap::generic.acquire.sys [%0], 128;" ::"l"(map) : "memory");
}

/// Copies a box of a tensor of 4 dimensions to shared memory; its bytes count towards the current phase of `barrier`.
__device__ __forceinline__ void tensorCopy4(u32 target, const void *map, int c0, int c1, int c2, int c3, u32 barrier,
                                            u64 policy) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.L2::cache_hint "
               "[%0], [%1, {%2, %3, %4, %5}], [%6], %7;" ::"r"(target),
               "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(barrier), "l"(policy)
               : "memory");
}

/// The same, to the CTAs of the cluster whose ranks are set in `ctas`: to this place, and for the barrier at this
/// place, in each.
__device__ __forceinline__ void tensorCopyAll4(u32 target, const void *map, int c0, int c1, int c2, int c3, u32 barrier,
                                               u16 ctas, u64 policy) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster"
               ".L2::cache_hint [%0], [%1, {%2, %3, %4, %5}], [%6], %7, %8;" ::"r"(target),
               "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(barrier), "h"(ctas), "l"(policy)
               : "memory");
}

/// A box of 2 dimensions, to this CTA, without a hint.
__device__ __forceinline__ void tensorCopy2(u32 target, const void *map, int c0, int c1, u32 barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3}], [%4];" ::"r"(target),
               "l"(map), "r"(c0), "r"(c1), "r"(barrier)
               : "memory");
}

/// What this thread wrote to shared memory is visible to bulk copies and wgmma.
__device__ __forceinline__ void asyncProxyFence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

} // namespace sinter::cuda
