// SPDX-License-Identifier: Apache-2.0
// What the parts of a matvec share: its ring, its barriers, and which blocks of which tiles a CTA has.
#pragma once
#include "templates/cuda/matvec_config.h"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/shares.cuh"

namespace sinter::cuda {

template <MatvecConfig C>
using MatvecRing = Ring<C.slots, planOf(C).chunkBlocks * blockBytes>;
template <MatvecConfig C>
using MatvecWriter = RingWriter<C.slots, planOf(C).chunkBlocks * blockBytes, C.outstanding>;
template <MatvecConfig C>
using MatvecReader = RingReader<C.slots, planOf(C).chunkBlocks * blockBytes>;

/// The barriers between the warps that consume and those that finish. Every thread arrives for what it wrote or read.
/// They lie as full[2], empty[2] of two buffers of partial sums; activations, or with a norm's weight
/// sums of their squares, ready; peers' sums gathered.
template <MatvecConfig C>
struct SumBarriers {
  static constexpr int count = sumBarriers;
  u32 barriers;
  RingPlace<2> place{}; ///< of the partial sums

  __device__ void init() const {
    for (int i = 0; i < 2; ++i) {
      barrierInit(barriers + i * 8, C.consumers());
      barrierInit(barriers + (2 + i) * 8, C.finishers());
    }
    barrierInit(activations(), C.consumers());
    for (int i = 0; i < 2; ++i)
      barrierInit(gathered(i), 1);
  }
  __device__ __forceinline__ u32 full() const { return barriers + place.slot * 8; }
  __device__ __forceinline__ u32 empty() const { return barriers + (2 + place.slot) * 8; }
  __device__ __forceinline__ u32 activations() const { return barriers + 4 * 8; }
  __device__ __forceinline__ u32 gathered(int buffer) const { return barriers + (5 + buffer) * 8; }
};

/// The tiles of a cluster, and which CTA of it this is.
struct MatvecRange {
  int begin, end;
  u32 rank;
};

template <MatvecConfig C>
__device__ __forceinline__ MatvecRange rangeOf(int cluster, u32 rank) {
  constexpr int each = C.tiles() / C.clusters, more = C.tiles() % C.clusters;
  int begin = cluster * each + (cluster < more ? cluster : more);
  return {begin, begin + each + (cluster < more), rank};
}

/// The blocks of a tile that a CTA has.
template <MatvecConfig C>
__device__ __forceinline__ Share sliceOf(u32 rank) {
  return shareOf<C.blocks(), C.split>(int(rank));
}

/// Blocks of the chunk that starts `at` blocks into the slice. A shorter slice's last chunk may be empty.
template <MatvecConfig C>
__device__ __forceinline__ int chunkBlocks(Share slice, int at) {
  constexpr int most = planOf(C).chunkBlocks;
  return slice.count - at < most ? slice.count - at : most;
}

} // namespace sinter::cuda
