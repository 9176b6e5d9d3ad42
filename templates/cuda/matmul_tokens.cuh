// SPDX-License-Identifier: Apache-2.0
// The matmul of some hundred rows on sm_90a, where tiles have to be small for there to be one for every SM: rows of x
// are the rows of wgmma's product, so that a tile can have any multiple of 16 rows of the weight. What tiles of the
// same weights would all bring from memory a cluster of them brings once, each a part to all.
//
// Arguments: 2 y, 3 squares of x, or of y, 4 bias, 5 up's bias, 6 residual, 7 tensor map of x, 8 tensor map of the
// weight.
#pragma once
#include "templates/cuda/matmul_tokens_epilogue.cuh"
#include "templates/cuda/ptx/warpgroup.cuh"
#include "templates/cuda/ptx/wgmma.cuh"
#include "templates/cuda/step_counts.cuh"

namespace sinter::cuda {

/// Where a warp says that it is done with a slot: its first lanes say so to a CTA of the cluster each. That orders
/// execution only, which is enough: what was read is in registers, and a release for the cluster would wait for memory.
template <MatmulTokensConfig C>
struct TokensRelease {
  u32 empty = 0; ///< of slot 0, there

  __device__ __forceinline__ explicit TokensRelease(const TokensRing<C> &ring) {
    if (u32 lane = threadIdx.x % 32; lane < C.share)
      empty = C.share > 1 ? peerAddress(ring.empty(0), lane) : ring.empty(0);
  }
  __device__ __forceinline__ void operator()(u32 slot) const {
    if (empty) {
      if constexpr (C.share > 1)
        barrierArrivePeer(empty + slot * 8);
      else
        barrierArrive(empty + slot * 8);
    }
  }
};

/// Adds up all blocks for the rows of x of warpgroup `half`; where both have the same rows, half of each block.
template <MatmulTokensConfig C>
__device__ __forceinline__ void tokensSum(float (&d)[C.bands()][C.tileWeights / 8][4], const TokensRing<C> &ring,
                                          const TokensRelease<C> &release, int half) {
  constexpr int steps = atomColumns / 16 / (C.halves() ? 2 : 1), bandBytes = 64 * atomColumns * 2;
  auto placeOf = [](u32 address) { return address >> 4 & 0x3fff; }; // the mask says how large an address can be
  RingPlace<C.stages> place;
  u32 before = 0;
#pragma unroll
  for (int b = 0; b < C.bands(); ++b)
#pragma unroll
    for (int i = 0; i < C.tileWeights / 8; ++i)
      d[b][i][0] = d[b][i][1] = d[b][i][2] = d[b][i][3] = 0;
#pragma unroll 1
  for (int block = 0; block < C.blocks(); ++block) {
    barrierWait(ring.full(place.slot), place.parity);
    u32 rows = ring.activations(place.slot) + (C.halves() ? 0 : half * C.bands() * bandBytes);
    u32 column = C.halves() ? half * 2 * steps : 0;
    u64 activations = wgmmaOperand(placeOf(rows)) + column;
    u64 weights = wgmmaOperand(placeOf(ring.weights(place.slot))) + column;
#pragma unroll
    for (int b = 0; b < C.bands(); ++b)
      pinRegisters(d[b]);
    wgmmaFence();
#pragma unroll
    for (int i = 0; i < steps; ++i)
#pragma unroll
      for (int b = 0; b < C.bands(); ++b)
        wgmma<C.tileWeights>(d[b], activations + 2 * i + b * (bandBytes / 16), weights + 2 * i);
    wgmmaCommit();
    if (block > 0) {
      wgmmaWait<1>();
      release(before);
    }
    before = place.slot;
    place.advance();
  }
  wgmmaWait<0>(); // nobody waits for the last slot to be empty
#pragma unroll
  for (int b = 0; b < C.bands(); ++b)
    pinRegisters(d[b]);
}

template <MatmulTokensConfig C, int N>
__device__ __forceinline__ void tokensConsume(const rt::CudaStep &step, const rt::CudaArgs<N> &args,
                                              const TokensRing<C> &ring, const TokensTile<C> &tile) {
  int half = __shfl_sync(~0u, int(threadIdx.x / 128), 0);
  TokensRelease<C> release(ring);
  waitForPrerequisites();
  TokensOutput<C> output(args, ring, rowCount(step), tile, half);
  if constexpr (C.bands() == 1)
    output.start();
  float d[C.bands()][C.tileWeights / 8][4];
  tokensSum<C>(d, ring, release, half);
  if constexpr (C.share > 1)
    clusterArriveRelaxed();
  output.finish(d);
}

/// The factors of a norm, by a warp: a row of x for each lane at a time.
template <MatmulTokensConfig C>
__device__ __forceinline__ void tokensFactors(const TokensRing<C> &ring, int lane) {
  barrierWait(ring.squaresFull(), 0);
#pragma unroll 1
  for (int first = 0; first < C.tileTokens; first += squareRows) {
    u32 squares = ring.base + C.squaresAt() + (first * C.blocks() + lane) * 4;
    float sum = 0;
#pragma unroll 8
    for (int i = 0; i < C.blocks(); ++i)
      sum += __uint_as_float(loadSharedWord(squares + i * squareRows * 4));
    storeShared(ring.base + C.factorsAt() + (first + lane) * 4, __float_as_uint(normFactor(sum, C.k, C.eps)));
  }
  barrierArrive(ring.factorsFull());
}

/// What the threads do that do not multiply.
template <MatmulTokensConfig C, int N>
__device__ __forceinline__ void tokensServe(const rt::CudaArgs<N> &args, const TokensRing<C> &ring,
                                            const TokensTile<C> &tile) {
  if (threadIdx.x == C.consumers) {
    acquireTensorMap(args.pointers[7]);
    acquireTensorMap(args.pointers[8]);
    // Where all tiles of tokens are one cluster, every weight is read once.
    u64 policy = C.tokenTiles() <= C.share ? evictFirstPolicy() : evictNormalPolicy();
    TokensLoader<C>{ring, args.pointers[7], args.pointers[8], args.template get<const float>(3), tile, policy}.run();
    launchDependents();
  }
  if constexpr (C.norm)
    if (int lane = int(threadIdx.x) - C.consumers - 32; lane >= 0 && lane < 32)
      tokensFactors<C>(ring, lane);
  __syncwarp();
  if constexpr (C.share > 1)
    clusterArriveRelaxed();
}

/// The whole kernel.
template <MatmulTokensConfig C, int N>
__device__ void matmul(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid() && N >= 9);
  extern __shared__ __align__(1024) char shared[];
  TokensRing<C> ring{sharedAddress(shared)};
  if (threadIdx.x == 0) {
    ring.init();
    barrierInitFence();
  }
  if constexpr (C.share > 1) {
    clusterArriveRelaxed();
    clusterWait();
  } else {
    __syncthreads();
  }
  TokensTile<C> tile;
  // By a warp's number: branches that threads might take apart cost the loop over the ring its uniform registers.
  if (__shfl_sync(~0u, threadIdx.x / 32, 0) < C.consumers / 32) {
    if constexpr (C.large())
      acquireRegisters<232>();
    tokensConsume<C>(step, args, ring, tile);
  } else {
    if constexpr (C.large())
      releaseRegisters<40>();
    tokensServe<C>(args, ring, tile);
  }
  if constexpr (C.share > 1)
    clusterWait(); // others of the cluster write to this CTA's memory, and arrive at its barriers
}

} // namespace sinter::cuda
