// SPDX-License-Identifier: Apache-2.0
// The matmul that every architecture from sm_80 on runs, for any number of rows: mma.sync over a ring of cp.async
// stages, the weight as the first operand and tokens as the second, so that few tokens waste little. A fixed grid goes
// through the tiles that the step's rows make.
// Arguments: 0 weight, 1 x, 2 y, 3 norm's weight, 4 bias (gate's), 5 up's bias, 6 residual.
#pragma once
#include "templates/cuda/matmul_mma_epilogue.cuh"

namespace sinter::cuda {

/// Fills all but one of the stages. Weights do not wait for the kernels before this one where the tiles are known
/// without them. Returns the number of rows.
template <MatmulMmaConfig C>
__device__ __forceinline__ int fillRing(u32 ring, const rt::CudaStep &step, const MatmulMmaArgs &args) {
  constexpr bool early = C.mostTokenTiles() == 1;
  if constexpr (early) {
    MatmulMmaCursor at = firstCursor<C>(1);
    for (int stage = 0; stage < C.stages - 1; ++stage, advance<C>(at, 1))
      if (at.tile < C.weightTiles())
        loadWeights<C>(ring + stage * C.stageBytes(), args, at);
  }
  waitForPrerequisites();
  int count = rowCount<C.rows>(step), tokenTiles = ceilDiv(count, C.tileTokens());
  MatmulMmaCursor at = firstCursor<C>(tokenTiles);
  for (int stage = 0; stage < C.stages - 1; ++stage, advance<C>(at, tokenTiles)) {
    if (at.tile < C.weightTiles() * tokenTiles) {
      if constexpr (!early)
        loadWeights<C>(ring + stage * C.stageBytes(), args, at);
      loadActivations<C>(ring + stage * C.stageBytes(), args, at, count);
    }
    asyncCopyCommit();
  }
  return count;
}

template <MatmulMmaConfig C, int N>
__device__ void matmulMma(const rt::CudaStep &step, const rt::CudaArgs<N> &pointers) {
  static_assert(C.valid());
  extern __shared__ __align__(128) char shared[];
  MatmulMmaArgs args = matmulMmaArgs(pointers);
  MatmulMmaWarp warp = warpOf<C>();
  launchDependents();
  int count = fillRing<C>(sharedAddress(shared), step, args), tokenTiles = ceilDiv(count, C.tileTokens());
  MatmulMmaCursor now = firstCursor<C>(tokenTiles), ahead = now;
  for (int stage = 0; stage < C.stages - 1; ++stage)
    advance<C>(ahead, tokenTiles);
  MatmulMmaSums<C> sums;
  sums.clear();
  int slot = 0, freed = C.stages - 1;
  for (; now.tile < C.weightTiles() * tokenTiles; advance<C>(now, tokenTiles), advance<C>(ahead, tokenTiles)) {
    asyncCopyWaitGroup<C.stages - 2>();
    __syncthreads(); // the stage is there for all; all are done with the one before, which is filled again
    if (ahead.tile < C.weightTiles() * tokenTiles) {
      u32 target = sharedAddress(shared) + freed * C.stageBytes();
      loadWeights<C>(target, args, ahead);
      loadActivations<C>(target, args, ahead, count);
    }
    asyncCopyCommit();
    consumeStage<C>(sums, shared + slot * C.stageBytes(), now.step, warp);
    freed = slot;
    slot = slot + 1 == C.stages ? 0 : slot + 1;
    if (now.step == C.steps() - 1) {
      finishTile<C>(sums, args, shared, warp, now, count);
      sums.clear();
    }
  }
  asyncCopyWait();
}

} // namespace sinter::cuda
