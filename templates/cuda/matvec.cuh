// SPDX-License-Identifier: Apache-2.0
// The matmul of a decode step: 1 to 16 tokens against a weight that is read once, at the speed of memory. sm_90a.
//
// Weights are the A operand of mma.m16n8k16 and tokens its columns, so from 1 to 8 tokens cost the same. One thread
// orders the copies, warps consume them (matvec_consume.cuh), others finish what they summed (matvec_finish.cuh); a
// tile's columns may be shared by the CTAs of a cluster, whose sums meet in shared memory. All sums are taken in a
// fixed order: the same input gives the same bits.
//
// An emitted kernel is the call, and its launch is what the configuration says. Its arguments:
//   0 weight, 1 x bf16[tokens, k], 2 y[tokens, n], 3 norm weight f32[k] if normWeight, 4 bias f32[n] (SwiGLU: the
//   gate's), 5 the up projection's bias f32[n], 6 residual[tokens, n], 7 the next matvec's weight if nextTiles
#pragma once
#include "templates/cuda/matmul_args.cuh"
#include "templates/cuda/matvec_ahead.cuh"
#include "templates/cuda/matvec_consume.cuh"
#include "templates/cuda/matvec_finish.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/cluster.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/shares.cuh"

namespace sinter::cuda {

/// Orders the copies of this CTA's slices of `range`'s tiles. By one thread; touches nothing but the weight, so it
/// neither waits for earlier kernels nor has to know of them.
template <MatvecConfig C>
__device__ void matvecLoad(MatvecWriter<C> &writer, const void *weight, MatvecRange range) {
  constexpr MatvecPlan P = planOf(C);
  Share slice = sliceOf<C>(range.rank);
  u64 policy = evictFirstPolicy();
  const char *tile = static_cast<const char *>(weight) + (u64(range.begin) * C.blocks() + slice.first) * blockBytes;
  for (int t = range.begin; t < range.end; ++t, tile += C.blocks() * blockBytes)
#pragma unroll 1
    for (int at = 0, chunk = 0; chunk < P.chunksPerTile; ++chunk, at += P.chunkBlocks)
      writer.push(tile + at * blockBytes, chunkBlocks<C>(slice, at) * blockBytes, policy);
}

/// Makes the barriers of a CTA ready.
template <MatvecConfig C>
__device__ __forceinline__ void initBarriers(const MatvecRing<C> &ring, const SumBarriers<C> &sums) {
  if (threadIdx.x == 0) {
    ring.init(C.warps);
    sums.init();
    barrierInitFence();
  }
  // Of a cluster, every CTA must have its barriers before another arrives at them.
  if constexpr (C.split > 1)
    clusterBarrier();
  else
    __syncthreads();
}

/// The whole kernel, once.
template <MatvecConfig C, int N>
__device__ void matvec(const rt::CudaStep &, const rt::CudaArgs<N> &pointers) {
  static_assert(C.valid());
  extern __shared__ __align__(128) char shared[];
  u32 base = sharedAddress(shared);
  MatmulArgs args(pointers);
  MatvecRing<C> ring{base, base + planOf(C).barriers};
  SumBarriers<C> sums{ring.barriers + 2 * C.slots * 8};
  initBarriers<C>(ring, sums);
  if (C.triggerAtEntry && threadIdx.x == 0)
    launchDependents();
  MatvecRange range = rangeOf<C>(int(blockIdx.x) / C.split, C.split > 1 ? clusterRank() : 0);
  int thread = int(threadIdx.x);
  if (thread < C.consumers()) {
    matvecConsume<C>(MatvecReader<C>{ring}, args, shared, sums, range);
  } else if (thread < C.consumers() + C.finishers()) {
    waitForPrerequisites();
    matvecFinish<C>(args, shared, sums, range);
  } else if (thread == C.consumers() + C.finishers()) {
    MatvecWriter<C> writer{ring};
    matvecLoad<C>(writer, args.weight, range);
    if (!C.triggerAtEntry)
      launchDependents();
    if constexpr (C.nextTiles > 0)
      fetchAhead<C>(writer, pointers.template get<const char>(7));
  }
  // Of a cluster, a CTA ends when all that others store to its shared memory is there: exchangeSums() waits for that.
}

} // namespace sinter::cuda
