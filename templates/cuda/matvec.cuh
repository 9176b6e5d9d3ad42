// SPDX-License-Identifier: Apache-2.0
// The matmul of a decode step: 1 to 16 tokens against a weight that is read once, at the speed of memory. sm_90a.
//
// Weights are the A operand of mma.m16n8k16 and tokens its columns, so from 1 to 8 tokens cost the same. One thread
// orders the copies, warps consume them (matvec_consume.cuh), others finish what they summed (matvec_finish.cuh); a
// tile's columns may be shared by the CTAs of a cluster, whose sums meet in shared memory. All sums are taken in a
// fixed order: the same input gives the same bits.
//
// An emitted kernel is the call, and its launch is what the configuration says:
//   extern "C" __global__ void __launch_bounds__(config.threads(), 1) __cluster_dims__(config.split) k(MatvecArgs a) {
//     matvec<config>(a);
//   }
// with a grid of config.grid() CTAs and planOf(config).bytes of dynamic shared memory.
#pragma once
#include "templates/cuda/matvec_consume.cuh"
#include "templates/cuda/matvec_finish.cuh"

namespace sinter::cuda {

/// Orders the copies of this CTA's slices of `range`'s tiles. By one thread; touches nothing but the weight, so it
/// neither waits for earlier kernels nor has to know of them.
template <MatvecConfig C>
__device__ void matvecLoad(MatvecWriter<C> &writer, const void *weight, MatvecRange range) {
  constexpr MatvecPlan P = planOf(C);
  MatvecSlice slice = sliceOf<C>(range.rank);
  u64 policy = evictFirstPolicy();
  const char *tile = static_cast<const char *>(weight) + (u64(range.begin) * C.blocks() + slice.first) * blockBytes;
  for (int t = range.begin; t < range.end; ++t, tile += C.blocks() * blockBytes)
#pragma unroll 1
    for (int at = 0, chunk = 0; chunk < P.chunksPerTile; ++chunk, at += P.chunkBlocks)
      writer.push(tile + at * blockBytes, chunkBlocks<C>(slice, at) * blockBytes, policy);
}

/// The whole kernel, once.
template <MatvecConfig C>
__device__ void matvec(const MatvecArgs &args) {
  static_assert(valid(C));
  constexpr MatvecPlan P = planOf(C);
  extern __shared__ __align__(128) char shared[];
  u32 base = sharedAddress(shared);
  MatvecRing<C> ring{base, base + P.barriers};
  SumBuffers<C> buffers{ring.barriers + 2 * C.slots * 8};
  u32 gathered = buffers.barriers + 4 * 8;
  if (threadIdx.x == 0) {
    ring.init(C.warps);
    buffers.init();
    barrierInit(gathered, C.split);
    barrierInitFence();
  }
  // Of a cluster, every CTA must have its barriers before another arrives at them.
  if constexpr (C.split > 1)
    clusterBarrier();
  else
    __syncthreads();
  if (C.triggerAtEntry && threadIdx.x == 0)
    launchDependents();
  u32 rank = C.split > 1 ? clusterRank() : 0;
  MatvecRange range = rangeOf<C>(int(blockIdx.x) / C.split, rank);
  int thread = int(threadIdx.x);
  if (thread < C.consumers()) {
    MatvecReader<C> reader{ring};
    stageNorm<C>(shared, args, range.rank);
    waitForPrerequisites();
    matvecConsume<C>(reader, args, shared, buffers, range);
  } else if (thread < C.consumers() + C.finishers()) {
    waitForPrerequisites();
    matvecFinish<C>(args, shared, buffers, gathered, range);
  } else if (thread == C.consumers() + C.finishers()) {
    MatvecWriter<C> writer{ring};
    matvecLoad<C>(writer, args.weight, range);
    if (!C.triggerAtEntry)
      launchDependents();
  }
}

} // namespace sinter::cuda
