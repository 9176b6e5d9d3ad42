// SPDX-License-Identifier: Apache-2.0
// The last part of a matvec: a few warps turn each tile's partial sums into outputs while the others go on.
#pragma once
#include "templates/cuda/matvec_epilogue.cuh"

namespace sinter::cuda {

/// The outputs of a group of tiles that a thread finishes.
template <MatvecConfig C>
struct FinishGroup {
  static constexpr int count = planOf(C).threadEntries;
  MatvecEntry entry[count];
  long at[count]; ///< in y; -1: none
  MatvecAddends addends[count];

  /// Finds them, and asks for what is added to them ahead of their sums.
  __device__ __forceinline__ FinishGroup(const MatvecArgs &args, int first, int tiles, u32 rank) {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      entry[i] = entryOf<C>(i * C.finishers() + finisher<C>());
      int column = columnOf<C>(first + entry[i].tile, entry[i].output, rank);
      at[i] = entry[i].tile < tiles && column < C.n ? long(entry[i].token) * C.n + column : -1;
      if (at[i] >= 0)
        addends[i] = loadAddends<C>(args, column, at[i]);
    }
  }

  __device__ __forceinline__ void finish(const char *shared, const MatvecArgs &args, int buffer,
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
    factor[i] = C.norm && group.entry[i].token < C.tokens ? normFactor<C>(shared, group.entry[i].token) : 1.0f;
}

/// Lets the consumers have a buffer of partial sums again.
template <MatvecConfig C>
__device__ __forceinline__ void releaseSums(SumBuffers<C> &buffers) {
  barrierArrive(buffers.empty());
  buffers.place.advance();
}

/// Finishes the tiles of `range`. `gathered` is a barrier in shared memory that expects one arrival from each CTA of
/// the cluster. Residual and y are touched here: earlier kernels have to be complete.
template <MatvecConfig C>
__device__ void matvecFinish(const MatvecArgs &args, char *shared, SumBuffers<C> buffers, u32 gathered,
                             MatvecRange range) {
  constexpr MatvecPlan P = planOf(C);
  float factor[P.threadEntries];
  int peerBuffer = 0;
  for (int first = range.begin; first < range.end; first += P.groupTiles, peerBuffer ^= 1) {
    int tiles = range.end - first < P.groupTiles ? range.end - first : P.groupTiles;
    FinishGroup<C> group(args, first, tiles, range.rank);
    if (first == range.begin)
      activationsReady<C>();
    if constexpr (C.split == 1) {
      if (first == range.begin)
        normFactors<C>(shared, group, factor);
      barrierWait(buffers.full(), buffers.place.parity);
      group.finish(shared, args, int(buffers.place.slot), factor);
      releaseSums<C>(buffers);
    } else {
      if (C.norm && first == range.begin)
        sendSquares<C>(shared, range.rank);
      for (int tile = 0; tile < tiles; ++tile) {
        barrierWait(buffers.full(), buffers.place.parity);
        sendToPeers<C>(shared, int(buffers.place.slot), peerBuffer, tile, range.rank);
        releaseSums<C>(buffers);
      }
      namedBarrier(2, C.finishers());
      if (finisher<C>() < C.split)
        barrierArrivePeer(peerAddress(gathered, u32(finisher<C>())));
      barrierWaitCluster(gathered, u32(peerBuffer));
      if (first == range.begin)
        normFactors<C>(shared, group, factor);
      group.finish(shared, args, peerBuffer, factor);
    }
  }
}

} // namespace sinter::cuda
