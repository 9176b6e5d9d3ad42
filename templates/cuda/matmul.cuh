// SPDX-License-Identifier: Apache-2.0
// The matmul of 17 to thousands of rows on sm_90a: y = x W^T with the epilogues of a transformer layer.
//
// Weights are the rows of wgmma's product whatever the number of tokens, so there is one orientation and one layout.
// A tile is 128 rows of the weight and up to 256 tokens. One thread brings 64 columns at a time through a ring in
// shared memory (matmul_load.cuh), two warpgroups multiply 64 rows each and finish them (matmul_epilogue.cuh). CTAs are
// persistent; tiles that would leave some of them idle are shared by columns (matmul_schedule.cuh, matmul_share.cuh).
//
// Arguments: 2 y, 4 bias, 5 up's bias, 6 residual, 7 tensor map of x, 8 tensor map of the weight, 9 workspace,
// 10 counters.
#pragma once
#include "templates/cuda/matmul_share.cuh"
#include "templates/cuda/matmul_wgmma.cuh"

namespace sinter::cuda {

/// Adds up `count` blocks from the ring, for the 64 rows of half `half`.
template <MatmulConfig C>
__device__ __forceinline__ void matmulSum(float (&d)[C.tileTokens / 8][4], const MatmulRing<C> &ring,
                                          RingPlace<C.stages> &place, int count, int half) {
  auto release = [&](u32 slot) {
    if (u32 lane = threadIdx.x % 32; lane < C.multicast) {
      if constexpr (C.multicast == 1)
        barrierArrive(ring.empty(slot));
      else
        barrierReleasePeer(peerAddress(ring.empty(slot), lane));
    }
  };
  u32 before = 0;
#pragma unroll 1
  for (int block = 0; block < count; ++block) {
    barrierWait(ring.full(place.slot), place.parity);
    u64 weights = wgmmaOperand(ring.slot(place.slot) + half * 64 * atomColumns * 2);
    u64 activations = wgmmaOperand(ring.slot(place.slot) + C.weightBytes());
    wgmmaHold(d);
    wgmmaFence();
#pragma unroll
    for (int i = 0; i < atomColumns / 16; ++i)
      wgmma<C.tileTokens>(d, weights + 2 * i, activations + 2 * i, block > 0 || i > 0);
    wgmmaCommit();
    if (block > 0) {
      wgmmaWait<1>();
      release(before);
    }
    before = place.slot;
    place.advance();
  }
  wgmmaWait<0>();
  wgmmaHold(d);
  release(before);
}

/// The multiplying half: two warpgroups, each with 64 rows of every tile.
template <MatmulConfig C>
__device__ __forceinline__ void matmulConsume(const MatmulSchedule<C> &schedule, const MatmulRing<C> &ring,
                                              MatmulOutput<C> &output, const MatmulShare<C> &share, MatmulCta cta) {
  int half = __shfl_sync(~0u, int(threadIdx.x / 128), 0);
  RingPlace<C.stages> place;
  MatmulWork work;
  for (MatmulWalk<C> walk(schedule, cta.worker); walk.next(schedule, work);) {
    MatmulPlace at = schedule.placeOf(work.tile);
    int firstToken = at.token * C.tileTokens;
    output.moveTo((at.row * C.multicast + int(cta.rank)) * C.tileWeights + half * 64);
    bool whole = isWhole<C>(work);
    if (whole)
      output.startTile(firstToken);
    float d[C.tileTokens / 8][4];
    matmulSum<C>(d, ring, place, work.count(), half);
    if (whole)
      output.finishTile(d, firstToken);
    else
      share.leave(output, d, work.tile, half);
  }
  if (schedule.splitTiles == 0)
    return;
  for (MatmulWalk<C> walk(schedule, cta.worker); walk.nextShared(work);)
    if (!isWhole<C>(work))
      share.finish(output, work.tile, half);
}

template <MatmulConfig C, int N>
__device__ __forceinline__ MatmulOutput<C> matmulOutput(const rt::CudaArgs<N> &args, u32 base, int tokens) {
  u32 half = threadIdx.x / 128;
  MatmulOutput<C> output;
  output.bias = args.template get<const float>(4);
  output.upBias = args.template get<const float>(5);
  output.residual = args.template get<const u16>(6);
  output.y = args.template get<void>(2);
  output.tokens = tokens;
  output.staging = base + C.stagingAt() + half * C.stagingBytes();
  output.barrier = 1 + half;
  return output;
}

/// The whole kernel.
template <MatmulConfig C, int N>
__device__ void matmul(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid() && N == 11);
  extern __shared__ __align__(1024) char shared[];
  u32 base = sharedAddress(shared);
  MatmulRing<C> ring{base, base + C.barriersAt()};
  if (threadIdx.x == 0) {
    ring.init(C.consumers / 32 * C.multicast);
    barrierInitFence();
  }
  if constexpr (C.multicast > 1)
    clusterBarrier();
  else
    __syncthreads();
  if (C.triggerAtEntry && threadIdx.x == 0)
    launchDependents();
  MatmulCta cta{int(blockIdx.x) / C.multicast, C.multicast > 1 ? clusterRank() : 0};
  if (threadIdx.x < C.consumers) {
    if constexpr (C.loaders() == 128)
      acquireRegisters<232>();
    waitForPrerequisites();
    int tokens = rowCount<C.rows>(step);
    MatmulSchedule<C> schedule(tokens);
    MatmulOutput<C> output = matmulOutput<C>(args, base, tokens);
    MatmulShare<C> share{schedule, cta, args.template get<float>(9), args.template get<u32>(10)};
    matmulConsume<C>(schedule, ring, output, share, cta);
  } else {
    if constexpr (C.loaders() == 128)
      releaseRegisters<40>();
    if (threadIdx.x == C.consumers)
      matmulLoad<C>(step, args.pointers[7], args.pointers[8], ring, cta);
    __syncwarp();
  }
  // A CTA of a cluster writes to the other's shared memory and barriers as long as it works.
  if constexpr (C.multicast > 1)
    clusterBarrier();
}

} // namespace sinter::cuda
