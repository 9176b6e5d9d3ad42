// SPDX-License-Identifier: Apache-2.0
// CTAs of a cluster: their ranks, the barrier among all their threads, and each other's shared memory.
// Source: PTX ISA 9.0, "Cluster" under "Parallel Synchronization and Communication Instructions" (barrier.cluster),
// "Data Movement and Conversion Instructions": mapa, st.async; mbarrier
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

__device__ __forceinline__ u32 clusterRank() {
  u32 rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

__device__ __forceinline__ void clusterBarrier() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/// The two halves of clusterBarrier(), for work in between.
__device__ __forceinline__ void clusterArrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
/// The first half of a clusterBarrier() that orders execution only.
__device__ __forceinline__ void clusterArriveRelaxed() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}
__device__ __forceinline__ void clusterWait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

/// The address, in CTA `rank` of the cluster, of what lies at `address` here.
__device__ __forceinline__ u32 peerAddress(u32 address, u32 rank) {
  u32 remote;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(address), "r"(rank));
  return remote;
}

/// Arrives at a barrier of any CTA of the cluster. It orders no memory beyond this CTA's: a release to the cluster
/// would wait for all that this thread has under way. `remote`: peerAddress().
__device__ __forceinline__ void barrierArrivePeer(u32 remote) {
  asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(remote) : "memory");
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

/// Stores to the shared memory of another CTA of the cluster; the 4 bytes count towards the current phase of `barrier`
/// there. Both: peerAddress().
__device__ __forceinline__ void storePeerAsync(u32 remote, float value, u32 barrier) {
  asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(remote), "f"(value),
               "r"(barrier)
               : "memory");
}

/// The same for 16 bytes, and for 8.
__device__ __forceinline__ void storePeerAsync(u32 remote, U32x4 v, u32 barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%0], {%1, %2, %3, %4}, [%5];" ::"r"(remote),
      "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w), "r"(barrier)
      : "memory");
}
__device__ __forceinline__ void storePeerAsync(u32 remote, U32x2 v, u32 barrier) {
  asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 [%0], {%1, %2}, [%3];" ::"r"(remote),
               "r"(v.x), "r"(v.y), "r"(barrier)
               : "memory");
}

} // namespace sinter::cuda
