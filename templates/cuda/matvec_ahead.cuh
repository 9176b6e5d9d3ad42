// SPDX-License-Identifier: Apache-2.0
// What a short matvec does for the one that follows. Its ring holds nearly all of its weights before its activations
// are there; from then until CTAs of the next grid begin memory would idle. So L2 is asked for what those begin with.
#pragma once
#include "templates/cuda/matvec_work.cuh"
#include "templates/cuda/ptx/copy.cuh"

namespace sinter::cuda {

inline constexpr int aheadBytes = 64 << 10; ///< for each CTA of the next grid
inline constexpr int aheadStep = 16 << 10;

/// By the thread that orders copies, after its last: as many requests are in flight as before.
template <MatvecConfig C>
__device__ __forceinline__ void fetchAhead(MatvecWriter<C> &writer, const char *weight) {
  constexpr MatvecConfig N = nextOf(C);
  for (int block = int(blockIdx.x); block < N.grid(); block += C.grid()) {
    MatvecRange range = rangeOf<N>(block / N.split, u32(block % N.split));
    Share slice = sliceOf<N>(range.rank);
    const char *from = weight + (u64(range.begin) * N.blocks() + slice.first) * blockBytes;
    int bytes = slice.count * blockBytes < aheadBytes ? slice.count * blockBytes : aheadBytes;
#pragma unroll 1
    for (int at = 0; at < bytes; at += aheadStep) {
      writer.awaitOldest();
      bulkPrefetch(from + at, u32(bytes - at < aheadStep ? bytes - at : aheadStep));
    }
  }
}

} // namespace sinter::cuda
