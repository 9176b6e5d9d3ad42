// SPDX-License-Identifier: Apache-2.0
// The instructions that C++ has no words for, each as one function. No toolkit header is needed. What says nothing else
// needs sm_90, or sm_80 where it is about cp.async, ldmatrix, mma and bfloat16.
// Source: PTX ISA 9.0, https://docs.nvidia.com/cuda/parallel-thread-execution/
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

/// Address of a pointer into shared memory, as the instructions below want it.
__device__ __forceinline__ u32 sharedAddress(const void *p) { return static_cast<u32>(__cvta_generic_to_shared(p)); }

// --- mbarrier -------------------------------------------------------------------------------------------------------

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

/// As barrierWait, and what other CTAs of the cluster wrote before they arrived is visible afterwards.
__device__ __forceinline__ void barrierWaitCluster(u32 barrier, u32 parity) {
  asm volatile("{\n.reg .pred done;\n"
               "again:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
               "@!done bra again;\n}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}

/// Arrives at the barrier of another CTA of the cluster, and publishes what was written before. `remote`:
/// peerAddress().
__device__ __forceinline__ void barrierArrivePeer(u32 remote) {
  asm volatile("fence.acq_rel.cluster;\n"
               "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(remote)
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

// --- cluster --------------------------------------------------------------------------------------------------------

__device__ __forceinline__ u32 clusterRank() {
  u32 rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

__device__ __forceinline__ void clusterBarrier() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/// The address, in CTA `rank` of the cluster, of what lies at `address` here.
__device__ __forceinline__ u32 peerAddress(u32 address, u32 rank) {
  u32 remote;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(address), "r"(rank));
  return remote;
}

__device__ __forceinline__ void storePeer(u32 remote, float value) {
  asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(remote), "f"(value) : "memory");
}

/// The two halves of clusterBarrier(), for work in between.
__device__ __forceinline__ void clusterArrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
__device__ __forceinline__ void clusterWait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

/// As clusterBarrier(), for threads whose warps have diverged: all of the cluster's that have not exited.
__device__ __forceinline__ void clusterBarrierDiverged() {
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
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

// --- programmatic dependent launch ----------------------------------------------------------------------------------

/// Lets the next kernel of the stream start once every CTA of this one has said so. It exposes no data early.
/// Before sm_90 kernels follow each other without overlap, and there is nothing to say.
__device__ __forceinline__ void launchDependents() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// Returns once the kernels before this one are complete and their writes visible.
__device__ __forceinline__ void waitForPrerequisites() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// --- memory ---------------------------------------------------------------------------------------------------------

__device__ __forceinline__ u64 evictFirstPolicy() {
  u64 policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
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

__device__ __forceinline__ u16 loadL2(const u16 *p) {
  u16 v;
  asm volatile("ld.global.cg.u16 %0, [%1];" : "=h"(v) : "l"(p) : "memory");
  return v;
}

__device__ __forceinline__ float loadL2(const float *p) {
  float v;
  asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(v) : "l"(p) : "memory");
  return v;
}

__device__ __forceinline__ int loadL2(const int *p) {
  int v;
  asm volatile("ld.global.cg.s32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}

__device__ __forceinline__ u32 loadL2(const u32 *p) {
  u32 v;
  asm volatile("ld.global.cg.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}

/// 16 bytes from L2.
__device__ __forceinline__ U32x4 loadL2x4(const void *p) {
  U32x4 v;
  asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p)
               : "memory");
  return v;
}

/// Asks for what lies at an address to be brought to L2.
__device__ __forceinline__ void prefetchL2(const void *p) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(p) : "memory");
}

__device__ __forceinline__ void storeGlobal(void *p, U32x4 v) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}

__device__ __forceinline__ void storeGlobal(void *p, U32x2 v) {
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(v.x), "r"(v.y) : "memory");
}

/// 16 bytes that no kernel ever writes.
__device__ __forceinline__ U32x4 loadConstant(const void *p) {
  U32x4 v;
  asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  return v;
}

/// 8 bytes that no kernel ever writes.
__device__ __forceinline__ U32x2 loadConstant2(const void *p) {
  U32x2 v;
  asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
  return v;
}

/// 8 bytes from L2.
__device__ __forceinline__ U32x2 loadL2x2(const void *p) {
  U32x2 v;
  asm volatile("ld.global.cg.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p) : "memory");
  return v;
}

/// Adds to a counter in global memory and returns what it was. What this thread, and those it has synchronised with,
/// wrote before is visible to whoever sees the sum in the same way; and the other way round.
__device__ __forceinline__ u32 addTicket(u32 *counter, u32 value) {
  u32 before;
  asm volatile("atom.add.acq_rel.gpu.global.u32 %0, [%1], %2;" : "=r"(before) : "l"(counter), "r"(value) : "memory");
  return before;
}

__device__ __forceinline__ float loadConstantFloat(const float *p) {
  float v;
  asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(v) : "l"(p));
  return v;
}

__device__ __forceinline__ U32x4 loadShared(u32 address) {
  U32x4 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

__device__ __forceinline__ void storeShared(u32 address, U32x4 v) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
}

__device__ __forceinline__ void storeShared(u32 address, u32 v) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
}

/// Four 8 x 8 matrices of 16-bit elements: lane l gives the address of row l % 8 of matrix l / 8, and gets of each
/// matrix the elements 2 (l % 4) and the next of row l / 4.
__device__ __forceinline__ U32x4 loadMatrices(u32 address) {
  U32x4 v;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

/// Four such matrices, each transposed: of each, the elements 2 (l % 4) and the next of column l / 4.
__device__ __forceinline__ U32x4 loadMatricesTransposed(u32 address) {
  U32x4 v;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

/// Two such matrices; the addresses of lanes from 16 on are not used.
__device__ __forceinline__ U32x2 loadTwoMatrices(u32 address) {
  U32x2 v;
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(v.x), "=r"(v.y)
               : "r"(address)
               : "memory");
  return v;
}

/// An 8 x 8 matrix of 16-bit elements, spread over the warp as loadMatrices() leaves it, transposed.
__device__ __forceinline__ u32 transposeMatrix(u32 pair) {
  u32 v;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(v) : "r"(pair));
  return v;
}

// --- warpgroups, sm_90a --------------------------------------------------------------------------------------------

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

/// What this thread wrote to shared memory is visible to bulk copies and wgmma.
__device__ __forceinline__ void asyncProxyFence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// --- arithmetic -----------------------------------------------------------------------------------------------------

/// d[16, 8] += a[16, 16] b[16, 8], bfloat16 to float32.
__device__ __forceinline__ void mma(float (&d)[4], U32x4 a, u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
}

__device__ __forceinline__ float lowBf16(u32 pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float highBf16(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

/// 2^v within 2 units in the last place; 0 for -inf.
__device__ __forceinline__ float exp2Approx(float v) {
  float e;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(v));
  return e;
}

/// Two floats as a pair of bfloat16, rounded to nearest even.
__device__ __forceinline__ u32 toBf16Pair(float low, float high) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

__device__ __forceinline__ u16 toBf16(float v) {
  u16 h;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(v));
  return h;
}

} // namespace sinter::cuda
