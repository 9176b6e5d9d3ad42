// SPDX-License-Identifier: Apache-2.0
// Tiles that several workers sum. Each leaves its part in the workspace; when all are there, each of them adds up and
// finishes a piece of the tile, always in the order of the columns: the same input gives the same bits.
#pragma once
#include "templates/cuda/matmul_epilogue.cuh"
#include "templates/cuda/matmul_load.cuh"

namespace sinter::cuda {

template <MatmulConfig C>
struct MatmulShare {
  const MatmulSchedule<C> &schedule;
  MatmulCta cta;
  float *workspace; ///< [worker][2][rank][half of the rows][group of 8 tokens][thread][4]
  u32 *counters;    ///< [tile][rank]: warpgroups that have left their part, and in the upper half, that saw all parts

  static constexpr int groups = C.tileTokens / 8;
  static constexpr u32 seen = 1 << 16;

  /// Where thread `thread` finds a worker's part of a tile. A worker's share starts in one tile and ends in another.
  __device__ __forceinline__ float *partOf(int sharer, int tile, int half, int group, int thread) const {
    int later = schedule.boundary(sharer) < tile * C.blocks();
    long long part = ((sharer * 2 + later) * C.multicast + int(cta.rank)) * 2 + half;
    return workspace + ((part * groups + group) * 128 + thread) * 4;
  }
  __device__ __forceinline__ u32 *counterOf(int tile) const { return counters + tile * C.multicast + int(cta.rank); }

  /// Leaves this warpgroup's sums of its part of a tile.
  __device__ __forceinline__ void leave(const MatmulOutput<C> &output, const float (&d)[groups][4], int tile,
                                        int half) const {
    int thread = MatmulOutput<C>::thread();
    float *part = partOf(cta.worker, tile, half, 0, thread);
#pragma unroll
    for (int i = 0; i < groups; ++i)
      storeGlobal(part + i * 128 * 4, {__float_as_uint(d[i][0]), __float_as_uint(d[i][1]), __float_as_uint(d[i][2]),
                                       __float_as_uint(d[i][3])});
    output.sync();
    if (thread == 0)
      addReleased(counterOf(tile), 1);
  }

  /// Waits until all `warpgroups` have left their parts, of which this one will read some.
  __device__ __forceinline__ void await(const MatmulOutput<C> &output, int tile, int warpgroups) const {
    if (MatmulOutput<C>::thread() == 0)
      while (int(loadAcquired(counterOf(tile)) % seen) < warpgroups)
        ;
    output.sync();
  }

  /// Tells that this warpgroup needs the counter no more; the last one clears it.
  __device__ __forceinline__ void depart(int tile, int warpgroups) const {
    if (MatmulOutput<C>::thread() == 0 &&
        addReleased(counterOf(tile), seen) + seen == u32(warpgroups) * seen + u32(warpgroups))
      *counterOf(tile) = 0;
  }

  /// Sums of 16 tokens from group `group` on over the parts of sharers [first, first + count).
  __device__ __forceinline__ void addUp(float (&d)[2][4], int tile, int first, int count, int half, int group) const {
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e)
        d[i][e] = 0;
#pragma unroll 4
    for (int s = 0; s < count; ++s) {
      const float *part = partOf(first + s, tile, half, group, MatmulOutput<C>::thread());
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        U32x4 v = loadL2x4(part + i * 128 * 4);
        d[i][0] += __uint_as_float(v.x);
        d[i][1] += __uint_as_float(v.y);
        d[i][2] += __uint_as_float(v.z);
        d[i][3] += __uint_as_float(v.w);
      }
    }
  }

  /// Finishes this warpgroup's pieces, each of 64 rows and 16 tokens, of a tile that it left its part of.
  __device__ void finish(MatmulOutput<C> &output, int tile, int half) const {
    int first = schedule.sharerOf(tile * C.blocks());
    int count = schedule.sharerOf((tile + 1) * C.blocks() - 1) - first + 1, warpgroups = count * 2;
    MatmulPlace place = schedule.placeOf(tile);
    int firstToken = place.token * C.tileTokens, row = place.row * C.multicast + int(cta.rank);
    int rest = output.tokens - firstToken;
    int pieces = ((rest < C.tileTokens ? rest : C.tileTokens) + 15) / 16 * 2;
    int piece = (cta.worker - first) * 2 + half;
    if (piece < pieces)
      await(output, tile, warpgroups);
    for (; piece < pieces; piece += warpgroups) {
      float d[2][4];
      output.moveTo(row * C.tileWeights + piece % 2 * 64);
      addUp(d, tile, first, count, piece % 2, piece / 2 * 2);
      output.finishFew(d, firstToken + piece / 2 * 16);
    }
    depart(tile, warpgroups);
  }
};

} // namespace sinter::cuda
