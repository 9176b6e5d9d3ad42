// SPDX-License-Identifier: Apache-2.0
// The matmul that every architecture from sm_80 on runs, for any number of rows: mma.sync over a ring of cp.async
// stages, the weight as the first operand and tokens as the second, so that few tokens waste little. A fixed grid goes
// through the tiles that the step's rows make.
// Arguments: 0 weight, 1 x, 2 y, 3 norm's weight, 4 bias (gate's), 5 up's bias, 6 residual.
#pragma once
#include "templates/cuda/layout.h"
#include "templates/cuda/matmul_args.cuh"
#include "templates/cuda/matmul_mma_epilogue.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/step_counts.cuh"

namespace sinter::cuda {

/// Fills all but one of the stages, and leaves `ahead` at the first that is not. Weights do not wait for the kernels
/// before this one where the tiles are known without them. Returns the number of rows.
template <MatmulMmaConfig C>
__device__ __forceinline__ int fillRing(u32 ring, const rt::CudaStep &step, const MatmulArgs &args,
                                        MatmulMmaCursor &ahead) {
  constexpr bool early = C.mostTokenTiles() == 1;
  if constexpr (early) {
    ahead = firstCursor<C>(1);
    for (int stage = 0; stage < C.stages - 1; ++stage, nextStep<C>(ahead, 1))
      if (exists<C>(ahead, 1))
        loadWeights<C>(ring + stage * C.stageBytes(), args, ahead);
  }
  waitForPrerequisites();
  int count = min(rowCount(step), C.tokens), tokenTiles = ceilDiv(count, C.tileTokens());
  ahead = firstCursor<C>(tokenTiles);
  for (int stage = 0; stage < C.stages - 1; ++stage, nextStep<C>(ahead, tokenTiles)) {
    if (exists<C>(ahead, tokenTiles)) {
      if constexpr (!early)
        loadWeights<C>(ring + stage * C.stageBytes(), args, ahead);
      loadActivations<C>(ring + stage * C.stageBytes(), args, ahead, count);
    }
    asyncCopyCommit();
  }
  return count;
}

/// All of a tile's stages; `slot` is that of the first, and then of the next tile's.
template <MatmulMmaConfig C>
__device__ __forceinline__ void consumeTile(MatmulMmaSums<C> &sums, char *ring, const MatmulArgs &args,
                                            MatmulMmaWarp warp, MatmulMmaCursor &ahead, int &slot, int count) {
  int tokenTiles = ceilDiv(count, C.tileTokens());
#pragma unroll 1
  for (int i = 0; i < C.steps(); ++i) {
    asyncCopyWaitGroup<C.stages - 2>();
    __syncthreads(); // the stage is there for all; all are done with the one before, which is filled again
    if (exists<C>(ahead, tokenTiles)) {
      u32 freed = sharedAddress(ring) + (slot == 0 ? C.stages - 1 : slot - 1) * C.stageBytes();
      loadWeights<C>(freed, args, ahead);
      loadActivations<C>(freed, args, ahead, count);
    }
    asyncCopyCommit();
    nextStep<C>(ahead, tokenTiles);
    consumeStage<C>(sums, ring + slot * C.stageBytes(), i, warp);
    slot = slot + 1 == C.stages ? 0 : slot + 1;
  }
}

template <MatmulMmaConfig C, int N>
__device__ void matmulMma(const rt::CudaStep &step, const rt::CudaArgs<N> &pointers) {
  static_assert(C.valid());
  extern __shared__ __align__(128) char shared[];
  MatmulArgs args(pointers);
  MatmulMmaWarp warp = warpOf<C>();
  MatmulMmaCursor ahead;
  launchDependents();
  int count = fillRing<C>(sharedAddress(shared), step, args, ahead), slot = 0;
  int tokenTiles = ceilDiv(count, C.tileTokens());
  for (MatmulMmaCursor at = firstCursor<C>(tokenTiles); exists<C>(at, tokenTiles); nextTile<C>(at, tokenTiles)) {
    MatmulMmaSums<C> sums;
    sums.clear();
    consumeTile<C>(sums, shared, args, warp, ahead, slot, count);
    finishTile<C>(sums, args, shared, warp, at, count);
  }
  asyncCopyWait();
}

} // namespace sinter::cuda
