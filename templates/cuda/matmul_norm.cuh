// SPDX-License-Identifier: Apache-2.0
// RMSNorm of x within a matmul, the norm's weight being folded into the packed one: sums of products are multiplied by
// the factor of their row. Whoever wrote x left the squares of each row, added up for every 64 columns; a warp that
// does not multiply turns them into factors while the others do.
#pragma once
#include "templates/cuda/math.cuh"
#include "templates/cuda/matmul_schedule.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

/// Where the factors of a tile's rows pass from that warp to those that multiply.
template <MatmulConfig C>
struct MatmulFactors {
  static constexpr int rows = ceilDiv(C.tileTokens, 32); ///< of a lane
  u32 values;                                            ///< address of [tileTokens] floats
  RingPlace<1> place{};

  /// `base`: of the kernel's shared memory.
  __device__ __forceinline__ explicit MatmulFactors(u32 base) : values(base + C.factorsAt()) {}
  __device__ __forceinline__ u32 ready() const { return values + C.tileTokens * 4; }
  __device__ __forceinline__ u32 free() const { return ready() + 8; }

  /// By one thread, before a barrierInitFence() and a barrier of the CTA.
  __device__ __forceinline__ void init() const {
    barrierInit(ready(), 32);
    barrierInit(free(), C.consumers / 32);
  }

  /// The multiplying side: the factors of its next tile are there from here to done().
  __device__ __forceinline__ void await() const { barrierWait(ready(), place.parity); }
  __device__ __forceinline__ void done() {
    barrierArriveWarp(free(), threadIdx.x % 32);
    place.advance();
  }
  /// Scales this thread's sums of the rows from row `first` of the tile on.
  template <int Groups>
  __device__ __forceinline__ void apply(float (&d)[Groups][4], int first) const {
#pragma unroll
    for (int i = 0; i < Groups; ++i) {
      U32x2 pair = loadSharedX2(values + (first + i * 8 + threadIdx.x % 4 * 2) * 4);
      float low = __uint_as_float(pair.x), high = __uint_as_float(pair.y);
      d[i][0] *= low;
      d[i][1] *= high;
      d[i][2] *= low;
      d[i][3] *= high;
    }
  }

  /// The other side: the factor of a row of x. Loads are asked for some at a time, before the first is needed.
  __device__ __forceinline__ static float factorOf(const float *squares) {
    float sum = 0;
    if constexpr (C.blocks() % 4 == 0) {
#pragma unroll 5
      for (int i = 0; i < C.blocks(); i += 4) {
        U32x4 v = loadL2x4(squares + i);
        sum += __uint_as_float(v.x) + __uint_as_float(v.y) + __uint_as_float(v.z) + __uint_as_float(v.w);
      }
    } else {
#pragma unroll 8
      for (int i = 0; i < C.blocks(); ++i)
        sum += loadL2(squares + i);
    }
    return normFactor(sum, C.k, C.eps);
  }

  /// Those of all tiles of a CTA, by lane `lane` of the warp for it. `squares`: [tokens][blocks of x].
  __device__ __forceinline__ void give(const float *squares, int tokens, int worker, int lane) const {
    MatmulCut cut = cutOf<C>(C.tokens);
    RingPlace<1> free{0, 1};
#pragma unroll 1
    for (int index = worker; index < cut.count; index += C.workers()) {
      MatmulTile tile = tileOf<C>(cut, index);
      float found[rows];
#pragma unroll
      for (int i = 0; i < rows; ++i) {
        int token = tile.token + i * 32 + lane, row = token < tokens ? token : tokens - 1;
        found[i] = factorOf(squares + (long long)row * C.blocks());
      }
      barrierWait(this->free(), free.parity);
      free.advance();
#pragma unroll
      for (int i = 0; i < rows; ++i)
        if (int row = i * 32 + lane; row < C.tileTokens)
          storeShared(values + row * 4, __float_as_uint(found[i]));
      barrierArrive(ready());
    }
  }
};

} // namespace sinter::cuda
