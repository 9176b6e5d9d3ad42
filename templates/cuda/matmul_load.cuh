// SPDX-License-Identifier: Apache-2.0
// The loading half of a matmul: one thread that brings 64 columns of a tile's weights and activations at a time.
#pragma once
#include "templates/cuda/matmul_schedule.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/shares.cuh"
#include "templates/cuda/step_counts.cuh"

namespace sinter::cuda {

/// The ring of stages. Weights and activations of a stage arrive on barriers of their own: the former may be on their
/// way before the latter exist.
template <MatmulConfig C>
struct MatmulRing {
  u32 slots, barriers; ///< addresses in shared memory

  __device__ __forceinline__ u32 slot(u32 i) const { return slots + i * C.stageBytes(); }
  __device__ __forceinline__ u32 weights(u32 i) const { return barriers + i * 8; }
  __device__ __forceinline__ u32 activations(u32 i) const { return barriers + (C.stages + i) * 8; }
  __device__ __forceinline__ u32 empty(u32 i) const { return barriers + (2 * C.stages + i) * 8; }

  /// By one thread, before a barrierInitFence() and a barrier of the CTA.
  __device__ void init() const {
    for (int i = 0; i < C.stages; ++i) {
      barrierInit(weights(i), 1);
      barrierInit(activations(i), 1);
      barrierInit(empty(i), C.consumers / 32);
    }
  }
};

/// Block after block of a CTA's work.
template <MatmulConfig C, int Tokens>
struct MatmulBlocks {
  MatmulTiles<C, Tokens> tiles;
  Share slice;
  int tile, block;
  MatmulPlace place;

  __device__ __forceinline__ MatmulBlocks(const MatmulTiles<C, Tokens> &all, MatmulCta cta)
      : tiles(all), slice(matmulSliceOf<C>(cta.rank)), tile(cta.worker), block(0), place(all.placeOf(tile)) {}

  __device__ __forceinline__ bool more() const { return tile < tiles.count(); }
  __device__ __forceinline__ void advance() {
    if (++block < slice.count)
      return;
    block = 0;
    tile += C.workers();
    place = tiles.placeOf(tile);
  }
};

template <MatmulConfig C, int Tokens>
struct MatmulLoader {
  MatmulRing<C> ring;
  const void *activations, *weights; ///< tensor maps
  u64 policy;
  RingPlace<C.stages> next{0, 1};
  RingPlace<C.stages> landed{}; ///< the weights that have to have landed before the next are ordered
  int inFlight = 0;

  /// Orders the weights of a stage once few enough are on their way: activations and the word that they are there are
  /// small requests that would queue behind a flood of weights.
  __device__ __forceinline__ void loadWeights(u32 slot, const MatmulBlocks<C, Tokens> &at) {
    if constexpr (C.outstanding < C.stages) {
      if (inFlight == C.outstanding) {
        barrierWait(ring.weights(landed.slot), landed.parity);
        landed.advance();
      } else {
        ++inFlight;
      }
    }
    barrierArriveExpect(ring.weights(slot), C.weightBytes());
    tensorCopy4(ring.slot(slot), weights, 0, 0, at.slice.first + at.block, at.place.row * (C.tileWeights / tileRows),
                ring.weights(slot), policy);
  }

  __device__ __forceinline__ void loadActivations(u32 slot, const MatmulBlocks<C, Tokens> &at) const {
    u32 target = ring.slot(slot) + C.weightBytes();
    int column = (at.slice.first + at.block) * atomColumns, row = at.place.token * Tokens;
    barrierArriveExpect(ring.activations(slot), Tokens * atomColumns * 2);
#pragma unroll
    for (int i = 0; i < Tokens; i += C.boxTokens())
      tensorCopy2(target + i * atomColumns * 2, activations, column, row + i, ring.activations(slot));
  }

  __device__ __forceinline__ void loadRest(MatmulBlocks<C, Tokens> &at) {
    for (; at.more(); at.advance()) {
      barrierWait(ring.empty(next.slot), next.parity);
      loadActivations(next.slot, at);
      loadWeights(next.slot, at);
      next.advance();
    }
  }

  /// Fills the ring with weights before the activations are there.
  __device__ void loadAhead(MatmulCta cta) {
    MatmulBlocks<C, Tokens> ahead(MatmulTiles<C, Tokens>(C.tokens), cta), behind = ahead;
    u32 filled = 0;
    for (; filled < C.stages && ahead.more(); ahead.advance())
      loadWeights(filled++, ahead);
    waitForPrerequisites();
    for (u32 slot = 0; slot < filled; ++slot, behind.advance()) {
      loadActivations(slot, behind);
      next.advance();
    }
    loadRest(ahead);
  }
};

template <MatmulConfig C, int Tokens>
__device__ __forceinline__ void matmulLoadTiles(const void *activations, const void *weights, const MatmulRing<C> &ring,
                                                MatmulCta cta, int tokens) {
  MatmulTiles<C, Tokens> tiles(tokens);
  MatmulLoader<C, Tokens> loader{ring, activations, weights, evictNormalPolicy()};
  MatmulBlocks<C, Tokens> blocks(tiles, cta);
  loader.loadRest(blocks);
}

/// By one thread.
template <MatmulConfig C>
__device__ void matmulLoad(const rt::CudaStep &step, const void *activations, const void *weights,
                           const MatmulRing<C> &ring, MatmulCta cta) {
  acquireTensorMap(weights);
  acquireTensorMap(activations);
  if constexpr (C.adaptive) {
    waitForPrerequisites();
    int tokens = rowCount(step), size = adaptedTokens<C>(tokens);
    if (size == 256)
      matmulLoadTiles<C, 256>(activations, weights, ring, cta, tokens);
    else if (size == 192)
      matmulLoadTiles<C, 192>(activations, weights, ring, cta, tokens);
    else
      matmulLoadTiles<C, 128>(activations, weights, ring, cta, tokens);
  } else {
    // With a single tile of tokens every weight is read once.
    u64 policy = C.tokens <= C.tileTokens ? evictFirstPolicy() : evictNormalPolicy();
    MatmulLoader<C, C.tileTokens> loader{ring, activations, weights, policy};
    loader.loadAhead(cta);
  }
  if (!C.triggerAtEntry)
    launchDependents();
}

} // namespace sinter::cuda
