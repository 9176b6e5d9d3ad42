// SPDX-License-Identifier: Apache-2.0
// The first activations of a CTA, fetched by the threads that multiply. Copies of a tensor are served in order, and so
// x would come behind all the weights of a ring; loads of threads, which have nothing else to do yet, pass them.
#pragma once
#include "templates/cuda/matmul_load.cuh"
#include "templates/cuda/matmul_schedule.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/copy.cuh"

namespace sinter::cuda {

/// Asks for the first `fetchedStages()` blocks of x of a CTA's first tile, by all that multiply. `x`: [rows][k].
template <MatmulConfig C>
__device__ __forceinline__ void fetchFirst(const u16 *x, u32 base, MatmulCta cta) {
  MatmulTile tile = tileOf<C>(cutOf<C>(C.tokens), cta.worker);
  int column = matmulSliceOf<C>(cta.rank).first * atomColumns;
  MatmulRing<C> ring(base);
#pragma unroll
  for (int stage = 0; stage < C.fetchedStages(); ++stage)
#pragma unroll
    for (int first = 0; first < C.tileTokens * 8; first += C.consumers()) {
      int index = first + int(threadIdx.x), row = index / 8, piece = index % 8;
      if (index < C.tileTokens * 8)
        asyncCopy(ring.slot(stage) + C.weightBytes(C.bands) + row * atomColumns * 2 + (piece ^ row % 8) * 16,
                  x + (long long)(tile.token + row) * C.k + column + stage * atomColumns + piece * 8,
                  tile.token + row < C.tokens ? 16 : 0);
    }
  asyncCopyCommit();
}

/// They are there, for everybody's products. `Later`: groups of copies that this thread has asked for since.
template <MatmulConfig C, int Later>
__device__ __forceinline__ void awaitFirst() {
  asyncCopyWaitGroup<Later>();
  asyncProxyFence();
  namedBarrier(2 + C.warpgroups(), C.consumers());
}

} // namespace sinter::cuda
