// SPDX-License-Identifier: Apache-2.0
// RMSNorm of x within a matmul, the norm's weight being folded into the packed one: sums of products are multiplied by
// the factor of their row. Whoever wrote x left the squares of each row, added up for every 64 columns; warps that do
// not multiply turn them into factors while the others do. A load waits behind the weights that are on their way, so
// they ask for everything in few rounds of wide loads.
#pragma once
#include "templates/cuda/math.cuh"
#include "templates/cuda/matmul_schedule.cuh"
#include "templates/cuda/matmul_squares.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// Which rows of a tile a CTA finishes, as quads of four: all, or its pieces of a tile that is split.
template <MatmulConfig C>
struct MatmulQuads {
  static constexpr int ofPiece = C.pieceTokens / 4;
  static constexpr int count = C.split > 1 ? C.ownPieces() * ofPiece : C.tileTokens / 4;

  /// The first row of one.
  __device__ __forceinline__ static int rowOf(int quad, u32 rank) {
    if constexpr (C.split == 1)
      return quad * 4;
    int piece = (int(rank) + quad / ofPiece * C.split) / C.bands;
    return piece * C.pieceTokens + quad % ofPiece * 4;
  }
};

/// Where the factors of a tile's rows pass from those warps to the ones that multiply.
template <MatmulConfig C>
struct MatmulFactors {
  static constexpr int threads = C.factorWarps() * 32;
  u32 values; ///< address of [tileTokens] floats
  RingPlace<1> place{};

  /// `base`: of the kernel's shared memory.
  __device__ __forceinline__ explicit MatmulFactors(u32 base) : values(base + C.factorsAt()) {}
  __device__ __forceinline__ u32 ready() const { return values + C.tileTokens * 4; }
  __device__ __forceinline__ u32 free() const { return ready() + 8; }

  /// By one thread, before a barrierInitFence() and a barrier of the CTA.
  __device__ __forceinline__ void init() const {
    barrierInit(ready(), threads);
    barrierInit(free(), C.consumers() / 32);
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

  /// Neighbouring threads that share a quad of rows, each with some of the blocks of x.
  static constexpr int parts() {
    int parts = 1;
    while (parts < 8 && MatmulQuads<C>::count * parts * 2 <= threads)
      parts *= 2;
    return parts;
  }

  /// Adds a quad's squares of the blocks `part`, `part` + parts() and so on. `squares`: of the quad's first row. Loads
  /// are asked for many at a time, before the first is needed; large tiles leave few registers for that.
  __device__ __forceinline__ static void addUp(float (&sums)[4], const float *squares, int part) {
    constexpr int loads = ceilDiv(C.blocks(), parts()), most = C.large() ? 8 : C.blocksPerSm() == 2 ? 14 : 20;
    constexpr int atOnce = ceilDiv(loads, ceilDiv(loads, most));
#pragma unroll 1
    for (int first = 0; first < loads; first += atOnce) {
      U32x4 found[atOnce] = {};
#pragma unroll
      for (int i = 0; i < atOnce; ++i)
        if (int block = (first + i) * parts() + part; block < C.blocks())
          found[i] = loadL2x4(squares + block * squareRows);
#pragma unroll
      for (int i = 0; i < atOnce; ++i) {
        sums[0] += __uint_as_float(found[i].x);
        sums[1] += __uint_as_float(found[i].y);
        sums[2] += __uint_as_float(found[i].z);
        sums[3] += __uint_as_float(found[i].w);
      }
    }
  }

  /// The factors of a quad of rows from row `row` of x on, from those who share it; zeros where nobody has it.
  __device__ __forceinline__ static U32x4 factorsOf(const float *squares, int row, bool any, int part) {
    float sums[4] = {};
    if (any)
      addUp(sums, squares + squaresAt(row, 0, C.blocks()), part);
#pragma unroll
    for (float &sum : sums) {
      sum = sumOverLanes<parts()>(sum);
      sum = normFactor(sum, C.k, C.eps);
    }
    return toWords(sums[0], sums[1], sums[2], sums[3]);
  }

  /// Those of all tiles of a CTA, by thread `thread` of the warps for it. `squares` as squaresAt() has them.
  __device__ __forceinline__ void give(const float *squares, int tokens, MatmulCta cta, int thread) const {
    static_assert(MatmulQuads<C>::count <= threads);
    MatmulCut cut = cutOf<C>(C.adaptive ? tokens : C.tokens);
    RingPlace<1> free{0, 1};
    int quad = thread / parts(), part = thread % parts(), row = MatmulQuads<C>::rowOf(quad, cta.rank);
    bool mine = quad < MatmulQuads<C>::count && row < C.tileTokens;
#pragma unroll 1
    for (int index = cta.worker; index < cut.count; index += C.workers()) {
      MatmulTile tile = tileOf<C>(cut, index);
      bool any = mine && row < tile.size && tile.token + row < tokens;
      U32x4 found = factorsOf(squares, tile.token + row, any, part);
      barrierWait(this->free(), free.parity);
      free.advance();
      if (any && part == 0)
        storeShared(values + row * 4, found);
      barrierArrive(ready());
    }
  }
};

} // namespace sinter::cuda
