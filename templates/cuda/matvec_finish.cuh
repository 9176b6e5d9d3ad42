// SPDX-License-Identifier: Apache-2.0
// The last part of a matvec: a few warps turn each tile's partial sums into outputs while the others go on.
#pragma once
#include "templates/cuda/matmul_args.cuh"
#include "templates/cuda/matvec_epilogue.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

/// The outputs of a group of tiles that a thread finishes.
template <MatvecConfig C>
struct FinishGroup {
  static constexpr int count = planOf(C).threadEntries;
  MatvecEntry entry[count];
  long at[count]; ///< in y; -1: none
  MatvecAddends addends[count];

  /// Finds them, and asks for what is added to them ahead of their sums.
  __device__ __forceinline__ FinishGroup(const MatmulArgs &args, int first, int tiles, u32 rank) {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      entry[i] = entryOf<C>(i * C.finishers() + finisher<C>());
      int column = columnOf<C>(first + entry[i].tile, entry[i].output, rank);
      at[i] = entry[i].tile < tiles && column < C.n ? long(entry[i].token) * C.n + column : -1;
      if (at[i] >= 0)
        addends[i] = loadAddends<C>(args, column, at[i]);
    }
  }

  __device__ __forceinline__ void finish(const char *shared, const MatmulArgs &args, int buffer,
                                         const float (&factor)[count]) const {
#pragma unroll
    for (int i = 0; i < count; ++i)
      if (at[i] >= 0)
        finishOutput<C>(shared, args, buffer, entry[i], at[i], factor[i], addends[i]);
  }
};

/// The norm's factors of a thread's outputs: the same in every group.
template <MatvecConfig C>
__device__ __forceinline__ void normFactors(const char *shared, const FinishGroup<C> &group,
                                            float (&factor)[FinishGroup<C>::count]) {
#pragma unroll
  for (int i = 0; i < FinishGroup<C>::count; ++i)
    factor[i] = C.norm && group.entry[i].token < C.tokens ? tokenFactor<C>(shared, group.entry[i].token) : 1.0f;
}

/// Lets the consumers have a buffer of partial sums again.
template <MatvecConfig C>
__device__ __forceinline__ void releaseSums(SumBarriers<C> &barriers) {
  barrierArrive(barriers.empty());
  barriers.place.advance();
}

/// Waits for the activations, and for the sums of their squares.
template <MatvecConfig C>
__device__ __forceinline__ void squaresReady(char *shared, SumBarriers<C> &barriers, u32 rank) {
  barrierWait(barriers.activations(), 0);
  if constexpr (!C.normWeight) {
    sumSquares<C>(shared, sliceOf<C>(rank));
    namedBarrier(2, C.finishers());
  }
}

/// Sends this CTA's sums of a group of tiles to those that finish them, and waits for theirs. The two buffers have a
/// barrier each: a CTA may begin with the next group while another still waits for this one. A buffer is written again
/// only after all of the cluster have sent the group between, which a CTA does once all its threads have read the
/// buffer.
template <MatvecConfig C>
__device__ __forceinline__ void exchangeSums(char *shared, SumBarriers<C> &barriers, RingPlace<2> peers, int tiles,
                                             u32 rank, bool squares) {
  u32 gathered = barriers.gathered(int(peers.slot));
  namedBarrier(2, C.finishers());
  if (finisher<C>() == 0)
    barrierArriveExpect(gathered, gatheredBytes<C>(tiles, squares));
  if (squares)
    sendSquares<C>(shared, gathered, rank);
  for (int tile = 0; tile < tiles; ++tile) {
    barrierWait(barriers.full(), barriers.place.parity);
    sendToPeers<C>(shared, gathered, int(barriers.place.slot), int(peers.slot), tile, rank);
    releaseSums<C>(barriers);
  }
  barrierWaitCluster(gathered, peers.parity);
}

/// Finishes the tiles of `range`. Residual and y are touched here: earlier kernels have to be complete.
template <MatvecConfig C>
__device__ void matvecFinish(const MatmulArgs &args, char *shared, SumBarriers<C> barriers, MatvecRange range) {
  constexpr MatvecPlan P = planOf(C);
  float factor[P.threadEntries];
  RingPlace<2> peers{};
  for (int first = range.begin; first < range.end; first += P.groupTiles, peers.advance()) {
    int tiles = range.end - first < P.groupTiles ? range.end - first : P.groupTiles;
    FinishGroup<C> group(args, first, tiles, range.rank);
    if (C.norm && first == range.begin)
      squaresReady<C>(shared, barriers, range.rank);
    if constexpr (C.split == 1) {
      if (first == range.begin)
        normFactors<C>(shared, group, factor);
      barrierWait(barriers.full(), barriers.place.parity);
      group.finish(shared, args, int(barriers.place.slot), factor);
      releaseSums<C>(barriers);
    } else {
      exchangeSums<C>(shared, barriers, peers, tiles, range.rank, C.norm && first == range.begin);
      if (first == range.begin)
        normFactors<C>(shared, group, factor);
      group.finish(shared, args, int(peers.slot), factor);
    }
  }
}

} // namespace sinter::cuda
