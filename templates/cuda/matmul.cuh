// SPDX-License-Identifier: Apache-2.0
// The matmul of 17 to thousands of rows on sm_90a: y = x W^T with the epilogues of a transformer layer.
//
// Weights are the rows of wgmma's product whatever the number of tokens, so there is one orientation and one layout.
// A tile is 16 to 256 rows of the weight and up to 256 tokens. One thread brings 64 columns at a time through a ring in
// shared memory (matmul_load.cuh), warpgroups multiply 64 rows each and finish them (matmul_epilogue.cuh). Few tiles
// are split, their columns shared by the CTAs of a cluster (matmul_split.cuh); of many, a CTA takes one after the
// other.
//
// Arguments: 1 x, 2 y, 3 squares of x, or of y, 4 bias, 5 up's bias, 6 residual, 7 tensor map of x, 8 tensor map of the
// weight.
#pragma once
#include "templates/cuda/matmul_first.cuh"
#include "templates/cuda/matmul_load.cuh"
#include "templates/cuda/matmul_norm.cuh"
#include "templates/cuda/matmul_split.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/cluster.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/wgmma.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/step_counts.cuh"

namespace sinter::cuda {

/// Adds up `count` blocks from the ring, for the 64 rows of warpgroup `half`; done(block) once it has read one.
template <MatmulConfig C, int Bands, int Tokens, typename F>
__device__ __forceinline__ void matmulSum(float (&d)[Bands][Tokens / 8][4], const MatmulRing<C> &ring,
                                          RingPlace<C.stages> &place, int count, int half, F &&done) {
  constexpr int rows = 64; // of the weight, of a product
  auto release = [&](u32 slot) {
    if (threadIdx.x % 32 == 0)
      barrierArrive(ring.empty(slot));
  };
  auto placeOf = [](u32 address) { return address >> 4 & 0x3fff; }; // the mask says how large an address can be
  // Zeros, so that no earlier tile's sums stay alive for the compiler.
#pragma unroll
  for (int b = 0; b < Bands; ++b)
#pragma unroll
    for (int i = 0; i < Tokens / 8; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e)
        d[b][i][e] = 0;
  u32 before = 0;
#pragma unroll 1
  for (int block = 0; block < count; ++block) {
    barrierWait(ring.weights(place.slot), place.parity);
    barrierWait(ring.activations(place.slot), place.parity);
    u64 weights = wgmmaOperand(placeOf(ring.slot(place.slot) + half * Bands * rows * atomColumns * 2));
    u64 activations = wgmmaOperand(placeOf(ring.slot(place.slot) + C.weightBytes(Bands)));
#pragma unroll
    for (int b = 0; b < Bands; ++b)
      pinRegisters(d[b]);
    wgmmaFence();
#pragma unroll
    for (int i = 0; i < atomColumns / 16; ++i)
#pragma unroll
      for (int b = 0; b < Bands; ++b)
        wgmma<Tokens>(d[b], weights + 2 * i + b * (rows * atomColumns * 2 / 16), activations + 2 * i);
    wgmmaCommit();
    if (block > 0) {
      wgmmaWait<1>();
      release(before);
      done(block - 1);
    }
    before = place.slot;
    place.advance();
  }
  wgmmaWait<0>();
#pragma unroll
  for (int b = 0; b < Bands; ++b)
    pinRegisters(d[b]);
  release(before);
  done(count - 1);
}

/// A tile of `Bands` bands and `Tokens` rows of x, from the ring to y.
template <MatmulConfig C, int Bands, int Tokens>
__device__ __forceinline__ void matmulTile(const MatmulRing<C> &ring, RingPlace<C.stages> &place,
                                           MatmulOutput<C> &output, MatmulFactors<C> &factors, const MatmulTile &tile,
                                           int half, bool first) {
  int row = tile.row + half * Bands * 64;
  output.endAt(tile.row + C.tileWeights(Bands));
  output.moveTo(row);
  output.template startTile<Tokens>(tile.token);
  if (C.fetchedStages() > 0 && first)
    awaitFirst<C, C.epilogue == Epilogue::Residual && C.out == Out::Bf16 ? 2 : 0>();
  float d[Bands][Tokens / 8][4];
  matmulSum<C, Bands, Tokens>(d, ring, place, C.blocks(), half, [](int) {});
  if constexpr (C.norm) {
    factors.await();
#pragma unroll
    for (int b = 0; b < Bands; ++b)
      factors.apply(d[b], 0);
    factors.done();
  }
  output.finishTile(d[0], tile.token);
  if constexpr (Bands > 1) {
    output.moveTo(row + 64);
    output.template startTile<Tokens>(tile.token);
    output.finishTile(d[1], tile.token);
  }
}

/// The multiplying half, where a CTA has whole tiles: two warpgroups, each with half of the rows of every tile.
template <MatmulConfig C>
__device__ __forceinline__ void matmulWhole(u32 base, MatmulOutput<C> &output, MatmulFactors<C> &factors, MatmulCta cta,
                                            int half) {
  MatmulCut cut = cutOf<C>(output.tokens);
  MatmulRing<C> ring(base);
  RingPlace<C.stages> place;
#pragma unroll 1
  for (int index = cta.worker; index < cut.count; index += C.workers()) {
    MatmulTile tile = tileOf<C>(cut, index);
    bool first = index == cta.worker;
    if constexpr (!C.adaptive)
      matmulTile<C, C.bands, C.tileTokens>(ring, place, output, factors, tile, half, first);
    else if (tile.bands == 2)
      matmulTile<C, 2, C.wideTokens>(ring, place, output, factors, tile, half, first);
    else if (tile.size == 256)
      matmulTile<C, 1, 256>(ring, place, output, factors, tile, half, first);
    else if (tile.size == 192)
      matmulTile<C, 1, 192>(ring, place, output, factors, tile, half, first);
    else if (tile.size == 128)
      matmulTile<C, 1, 128>(ring, place, output, factors, tile, half, first);
    else
      matmulTile<C, 1, 64>(ring, place, output, factors, tile, half, first);
  }
}

/// The same where a cluster has one tile.
template <MatmulConfig C>
__device__ __forceinline__ void matmulShared(u32 base, MatmulOutput<C> &output, MatmulFactors<C> &factors,
                                             MatmulCta cta, int half) {
  MatmulTile tile = tileOf<C>(cutOf<C>(C.tokens), cta.worker);
  MatmulSplit<C> split{base, cta.rank};
  output.endAt(tile.row + C.tileWeights(C.bands));
  split.start(output, tile.row, tile.token, half);
  if constexpr (C.fetchedStages() > 0) {
    asyncCopyCommit();
    awaitFirst<C, 1>();
  }
  {
    MatmulRing<C> ring(base);
    RingPlace<C.stages> place;
    float d[C.bands][C.tileTokens / 8][4];
    int count = matmulSliceOf<C>(cta.rank).count, last = C.push ? C.lastBlockIn(C.pushStage(), count) : -1;
    if (C.push && last < 0)
      clusterArriveRelaxed();
    matmulSum<C, C.bands, C.tileTokens>(d, ring, place, count, half, [&](int block) {
      if (block == last) // Others may push. That this CTA's barriers are ready was fenced when they were made.
        clusterArriveRelaxed();
    });
    if constexpr (C.push) {
      clusterWait();
      split.push(d, half);
    } else {
      split.leave(d, half);
      clusterBarrier();
    }
  }
  split.finish(output, factors, tile.row, tile.token, half);
}

template <MatmulConfig C, int N>
__device__ __forceinline__ MatmulOutput<C> matmulOutput(const rt::CudaArgs<N> &args, u32 base, int tokens) {
  u32 half = threadIdx.x / 128;
  MatmulOutput<C> output;
  output.bias = args.template get<const float>(4);
  output.upBias = args.template get<const float>(5);
  output.squares = C.squares ? args.template get<float>(3) : nullptr;
  output.residual = args.template get<const u16>(6);
  output.y = args.template get<void>(2);
  output.tokens = tokens;
  output.staging = base + C.stagingAt() + half * C.stagingBytes();
  output.barrier = 1 + half;
  return output;
}

template <MatmulConfig C, int N>
__device__ __forceinline__ void matmulConsume(const rt::CudaStep &step, const rt::CudaArgs<N> &args, u32 base,
                                              MatmulCta cta) {
  int half = __shfl_sync(~0u, int(threadIdx.x / 128), 0);
  waitForPrerequisites();
  if constexpr (C.fetchedStages() > 0)
    fetchFirst<C>(args.template get<const u16>(1), base, cta);
  int tokens = rowCount(step);
  MatmulOutput<C> output = matmulOutput<C>(args, base, tokens);
  MatmulFactors<C> factors(base);
  if constexpr (C.split > 1)
    matmulShared<C>(base, output, factors, cta, half);
  else
    matmulWhole<C>(base, output, factors, cta, half);
}

/// What a thread does that finds the norm's factors.
template <MatmulConfig C, int N>
__device__ __forceinline__ void matmulFactors(const rt::CudaStep &step, const rt::CudaArgs<N> &args, u32 base,
                                              MatmulCta cta, int thread) {
  waitForPrerequisites();
  MatmulFactors<C>(base).give(args.template get<const float>(3), rowCount(step), cta, thread);
}

/// The whole kernel.
template <MatmulConfig C, int N>
__device__ void matmul(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid() && N >= 9);
  extern __shared__ __align__(1024) char shared[];
  u32 base = sharedAddress(shared);
  if (threadIdx.x == 0) {
    MatmulRing<C>(base).init();
    if constexpr (C.push)
      MatmulSplit<C>{base, clusterRank()}.init();
    if constexpr (C.norm)
      MatmulFactors<C>(base).init();
    barrierInitFence();
  }
  __syncthreads();
  if (C.triggerAtEntry && threadIdx.x == 0)
    launchDependents();
  MatmulCta cta{int(blockIdx.x) / C.split, C.split > 1 ? clusterRank() : 0};
  if (threadIdx.x < C.consumers()) {
    if constexpr (C.loaders() == 128)
      acquireRegisters<C.norm ? 224 : 232>();
    matmulConsume<C>(step, args, base, cta);
  } else {
    if constexpr (C.loaders() == 128)
      releaseRegisters<C.norm ? 56 : 40>();
    if constexpr (C.push)
      clusterArriveRelaxed();
    if (threadIdx.x == C.consumers())
      matmulLoad<C>(step, args.pointers[7], args.pointers[8], base, cta);
    if constexpr (C.norm)
      if (int thread = int(threadIdx.x) - C.consumers() - 32; thread >= 0)
        matmulFactors<C>(step, args, base, cta, thread);
    __syncwarp();
    if constexpr (C.push) {
      clusterWait();
    } else if constexpr (C.split > 1) {
      clusterBarrier();
      clusterArriveRelaxed();
    }
  }
  // A CTA's sums are fetched by the others of its cluster.
  if constexpr (C.split > 1 && !C.push)
    clusterWait();
}

} // namespace sinter::cuda
