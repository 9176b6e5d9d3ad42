// SPDX-License-Identifier: Apache-2.0
// The loading half of a matmul: one thread that brings 64 columns of a tile's weights and activations at a time.
#pragma once
#include "templates/cuda/matmul_schedule.cuh"
#include "templates/cuda/matmul_tensor.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

template <MatmulConfig C>
using MatmulRing = Ring<C.stages, C.stageBytes()>;

/// This CTA's place in the grid.
struct MatmulCta {
  int worker;
  u32 rank; ///< in the cluster
};

/// Block after block of a worker's work.
template <MatmulConfig C>
struct MatmulBlocks {
  const MatmulSchedule<C> &schedule;
  MatmulWalk<C> walk;
  MatmulWork work{0, 0, 0};
  MatmulPlace place{0, 0};
  int block = 0;

  __device__ __forceinline__ MatmulBlocks(const MatmulSchedule<C> &s, int worker) : schedule(s), walk(s, worker) {}

  __device__ __forceinline__ bool next() {
    if (++block < work.last)
      return true;
    if (!walk.next(schedule, work))
      return false;
    place = schedule.placeOf(work.tile);
    block = work.first;
    return true;
  }
};

template <MatmulConfig C>
struct MatmulLoader {
  MatmulRing<C> ring;
  const void *activations, *weights; ///< tensor maps
  MatmulCta cta;
  u64 policy;
  RingPlace<C.stages> next{0, 1};

  /// Announces a stage and orders its weights.
  __device__ __forceinline__ void loadWeights(u32 slot, const MatmulBlocks<C> &at) const {
    barrierArriveExpect(ring.full(slot), C.stageBytes());
    int tile = (at.place.row * C.multicast + int(cta.rank)) * (C.tileWeights / tileRows);
    tensorCopy4(ring.slot(slot), weights, 0, 0, at.block, tile, ring.full(slot), policy);
  }

  /// Of a stage's activations, each CTA of a cluster brings its part to all.
  __device__ __forceinline__ void loadActivations(u32 slot, const MatmulBlocks<C> &at) const {
    u32 target = ring.slot(slot) + C.weightBytes();
    int column = at.block * atomColumns, row = at.place.token * C.tileTokens;
    if constexpr (C.multicast == 1) {
      tensorCopy2(target, activations, column, row, ring.full(slot));
    } else {
      constexpr int part = C.tileTokens / C.multicast;
      tensorMulticast2(target + cta.rank * (part * atomColumns * 2), activations, column, row + int(cta.rank) * part,
                       ring.full(slot), (1 << C.multicast) - 1);
    }
  }

  /// What `at` still has.
  __device__ __forceinline__ void loadRest(MatmulBlocks<C> &at) {
    while (at.next()) {
      barrierWait(ring.empty(next.slot), next.parity);
      loadWeights(next.slot, at);
      loadActivations(next.slot, at);
      next.advance();
    }
  }

  /// Fills the ring with weights before the activations are there, which is possible where the schedule does not depend
  /// on the step.
  __device__ void loadAhead(const MatmulSchedule<C> &schedule) {
    MatmulBlocks<C> ahead(schedule, cta.worker), behind = ahead;
    u32 filled = 0;
    while (filled < C.stages && ahead.next())
      loadWeights(filled++, ahead);
    waitForPrerequisites();
    for (u32 slot = 0; slot < filled; ++slot) {
      behind.next();
      loadActivations(slot, behind);
      next.advance();
    }
    if (filled == C.stages)
      loadRest(ahead);
  }
};

/// By one thread.
template <MatmulConfig C>
__device__ void matmulLoad(const rt::CudaStep &step, const void *activations, const void *weights,
                           const MatmulRing<C> &ring, MatmulCta cta) {
  acquireTensorMap(weights);
  acquireTensorMap(activations);
  constexpr bool once = MatmulSchedule<C>::single;
  MatmulLoader<C> loader{ring, activations, weights, cta, once ? evictFirstPolicy() : evictNormalPolicy()};
  if constexpr (once) {
    loader.loadAhead(MatmulSchedule<C>(C.tokens));
  } else {
    waitForPrerequisites();
    MatmulSchedule<C> schedule(rowCount<C.rows>(step));
    MatmulBlocks<C> blocks(schedule, cta.worker);
    loader.loadRest(blocks);
  }
  if (!C.triggerAtEntry)
    launchDependents();
}

} // namespace sinter::cuda
