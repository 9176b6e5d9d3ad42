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
  static constexpr int stages = C.stages;
  u32 slots, barriers; ///< addresses in shared memory

  /// `base`: of the kernel's shared memory.
  __device__ __forceinline__ explicit MatmulRing(u32 base) : slots(base), barriers(base + C.barriersAt()) {}

  __device__ __forceinline__ u32 slot(u32 i) const { return slots + i * C.stageBytes(); }
  __device__ __forceinline__ u32 weights(u32 i) const { return barriers + i * 8; }
  __device__ __forceinline__ u32 activations(u32 i) const { return barriers + (stages + i) * 8; }
  __device__ __forceinline__ u32 empty(u32 i) const { return barriers + (2 * stages + i) * 8; }

  /// Where the pieces of a warpgroup of a split tile arrive.
  __device__ __forceinline__ u32 pushed(int warpgroup) const { return barriers + (3 * stages + warpgroup) * 8; }

  /// By one thread, before a barrierInitFence() and a barrier of the CTA.
  __device__ void init() const {
    for (int i = 0; i < stages; ++i) {
      barrierInit(weights(i), 1);
      barrierInit(activations(i), 1);
      barrierInit(empty(i), C.consumers() / 32);
    }
  }
};

/// Block after block of a CTA's work.
template <MatmulConfig C>
struct MatmulBlocks {
  MatmulCut cut;
  Share slice;
  int index, block = 0;
  MatmulTile tile;

  __device__ __forceinline__ MatmulBlocks(const MatmulCut &all, MatmulCta cta)
      : cut(all), slice(matmulSliceOf<C>(cta.rank)), index(cta.worker), tile(tileOf<C>(all, cta.worker)) {}

  __device__ __forceinline__ bool more() const { return index < cut.count; }
  __device__ __forceinline__ void advance() {
    if (++block < slice.count)
      return;
    block = 0;
    index += C.workers();
    tile = tileOf<C>(cut, index);
  }
};

template <MatmulConfig C>
struct MatmulLoader {
  static constexpr int stages = C.stages;
  MatmulRing<C> ring;
  const void *activations, *weights; ///< tensor maps
  u64 policy;
  RingPlace<stages> next{0, 1};
  RingPlace<stages> landed{}; ///< the weights that have to have landed before the next are ordered
  int inFlight = 0;

  /// Orders the weights of a stage once few enough are on their way.
  __device__ __forceinline__ void loadWeights(u32 slot, const MatmulBlocks<C> &at) {
    if constexpr (C.outstanding < stages) {
      if (inFlight == C.outstanding) {
        barrierWait(ring.weights(landed.slot), landed.parity);
        landed.advance();
      } else {
        ++inFlight;
      }
    }
    int bands = C.adaptive ? at.tile.bands : C.bands;
    barrierArriveExpect(ring.weights(slot), C.weightBytes(bands));
#pragma unroll
    for (int band = 0; band < (C.adaptive ? 2 : C.bands); ++band)
      if (band < bands)
        tensorCopy4(ring.slot(slot) + band * C.weightBytes(1), weights, 0, 0, at.slice.first + at.block,
                    (at.tile.row + band * C.tileWeights(1)) / tileRows, ring.weights(slot), policy);
  }

  __device__ __forceinline__ void loadActivations(u32 slot, const MatmulBlocks<C> &at) const {
    u32 target = ring.slot(slot) + C.weightBytes(C.adaptive ? at.tile.bands : C.bands);
    int size = C.adaptive ? at.tile.size : C.tileTokens, column = (at.slice.first + at.block) * atomColumns;
    constexpr int box = C.boxTokens();
    barrierArriveExpect(ring.activations(slot), (size + box - 1) / box * box * atomColumns * 2);
#pragma unroll
    for (int i = 0; i < C.tileTokens; i += box) {
      if (i >= size)
        break;
      int row = i + box <= size ? i : size - box; // the last box brings some rows again where they are no multiple
      tensorCopy2(target + row * atomColumns * 2, activations, column, at.tile.token + row, ring.activations(slot));
    }
  }

  __device__ __forceinline__ void loadRest(MatmulBlocks<C> &at) {
    for (; at.more(); at.advance()) {
      barrierWait(ring.empty(next.slot), next.parity);
      loadActivations(next.slot, at);
      loadWeights(next.slot, at);
      next.advance();
    }
  }

  /// Fills the ring with weights before the activations are there.
  __device__ __forceinline__ void loadAhead(MatmulBlocks<C> &ahead) {
    MatmulBlocks<C> behind = ahead;
    u32 filled = 0;
    for (; filled < stages && ahead.more(); ahead.advance())
      loadWeights(filled++, ahead);
    waitForPrerequisites();
    for (u32 slot = 0; slot < filled; ++slot, behind.advance()) {
      if (slot < C.fetchedStages())
        barrierArrive(ring.activations(slot));
      else
        loadActivations(slot, behind);
      next.advance();
    }
  }
};

/// By one thread. `base`: of the kernel's shared memory.
template <MatmulConfig C>
__device__ void matmulLoad(const rt::CudaStep &step, const void *activations, const void *weights, u32 base,
                           MatmulCta cta) {
  acquireTensorMap(weights);
  acquireTensorMap(activations);
  // With a single tile of tokens every weight is read once.
  u64 policy = C.tokens <= C.tileTokens ? evictFirstPolicy() : evictNormalPolicy();
  MatmulLoader<C> loader{MatmulRing<C>(base), activations, weights, policy};
  if constexpr (C.adaptive)
    waitForPrerequisites();
  MatmulBlocks<C> blocks(cutOf<C>(C.adaptive ? rowCount(step) : C.tokens), cta);
  if constexpr (!C.adaptive)
    loader.loadAhead(blocks);
  loader.loadRest(blocks);
  if (!C.triggerAtEntry)
    launchDependents();
}

} // namespace sinter::cuda
