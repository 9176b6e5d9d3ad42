// SPDX-License-Identifier: Apache-2.0
// Rotary embedding of a step's queries and keys, and the append of keys and values to the paged cache.
// Arguments: 0 qkv, 1 rope table, 2 norm weight of q, 3 of k, 4 pool, 5 q out.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/rope.cuh"
#include "templates/cuda/rope_append_config.h"
#include "templates/cuda/step_counts.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// A thread's part of a head: columns [column, column + 8), and the same of the second half.
struct HeadPart {
  U32x4 first, second;
};

/// The factor of RMSNorm for a head that rowLanes() neighbouring lanes hold.
template <RopeAppendConfig C>
__device__ __forceinline__ float headScale(const HeadPart &x) {
  float squares = sumOverLanes<C.rowLanes()>(squaresOf(x.first) + squaresOf(x.second));
  return normFactor(squares, C.headDim, C.eps);
}

/// A thread's columns of a position's angles, two at a time; weights 1.
using HeadFactors = RopeFactors[4];

/// `weight`: of the head's RMSNorm, from the thread's first column on.
template <RopeAppendConfig C>
__device__ __forceinline__ HeadPart ropeHead(const HeadPart &x, HeadFactors &f, const float *weight) {
  float scale = C.norm ? headScale<C>(x) : 1;
  if constexpr (C.norm)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      f[i].weight = constantPair(weight + 2 * i);
      f[i].partnerWeight = constantPair(weight + C.headDim / 2 + 2 * i);
    }
  U32x2 a = ropePair(x.first.x, x.second.x, scale, f[0]), b = ropePair(x.first.y, x.second.y, scale, f[1]);
  U32x2 c = ropePair(x.first.z, x.second.z, scale, f[2]), d = ropePair(x.first.w, x.second.w, scale, f[3]);
  return {{a.x, b.x, c.x, d.x}, {a.y, b.y, c.y, d.y}};
}

/// Where a head of a token goes: to q's rows, or to its slot of the pool.
template <RopeAppendConfig C>
__device__ __forceinline__ void storeHead(const HeadPart &x, int token, int row, int column, int slot, u16 *pool,
                                          u16 *q) {
  constexpr int half = C.headDim / 2;
  if (row < C.heads) {
    u16 *at = q + (long long)token * C.heads * C.headDim + row * C.headDim + column;
    storeGlobal(at, x.first);
    storeGlobal(at + half, x.second);
    return;
  }
  bool value = row >= C.heads + C.kvHeads;
  int head = row - C.heads - (value ? C.kvHeads : 0);
  storeGlobal(pool + kvIndex(slot, head, value, column, C.kvHeads, C.headDim), x.first);
  storeGlobal(pool + kvIndex(slot, head, value, column + half, C.kvHeads, C.headDim), x.second);
}

/// `together` heads of a token, from `first` on.
template <RopeAppendConfig C, int N>
__device__ __forceinline__ void ropeHeads(const rt::CudaStep &step, const rt::CudaArgs<N> &args, int token, int first,
                                          int column, bool inside) {
  const u16 *qkv = args.template get<const u16>(0) + ((long long)token * C.rows() + first) * C.headDim + column;
  HeadPart parts[C.together];
#pragma unroll
  for (int i = 0; i < C.together; ++i)
    parts[i] = inside && first + i < C.rows()
                   ? HeadPart{loadL2x4(qkv + i * C.headDim), loadL2x4(qkv + i * C.headDim + C.headDim / 2)}
                   : HeadPart{};
  const float *angles = args.template get<const float>(1) + (long long)loadL2(step.positions + token) * C.headDim;
  int slot = loadL2(step.slots + token);
  HeadFactors factors;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    factors[i] = ropeFactors<C.headDim>(angles, nullptr, column + 2 * i);
#pragma unroll
  for (int i = 0; i < C.together; ++i) {
    int row = first + i;
    // Lanes of a warp may be at different rows: all of them norm, so that all take part in the shuffles.
    HeadPart roped = ropeHead<C>(parts[i], factors, args.template get<const float>(row < C.heads ? 2 : 3) + column);
    if (row >= C.heads + C.kvHeads)
      roped = parts[i];
    if (inside && row < C.rows())
      storeHead<C>(roped, token, row, column, slot, args.template get<u16>(4), args.template get<u16>(5));
  }
}

template <RopeAppendConfig C, int N>
__device__ void ropeAppend(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  launchDependents();
  waitForPrerequisites();
  int items = rowCount(step) * C.chunks();
  int lane = int(threadIdx.x) % C.rowLanes(), column = lane * 8;
  constexpr int perBlock = C.threads() / C.rowLanes();
  // Whole blocks stay in the loop together, for the shuffles.
  for (int base = int(blockIdx.x) * perBlock; base < items; base += C.grid() * perBlock) {
    int item = base + int(threadIdx.x) / C.rowLanes();
    bool inside = item < items;
    int token = inside ? item / C.chunks() : 0, chunk = inside ? item % C.chunks() : 0;
    ropeHeads<C>(step, args, token, chunk * C.together, column, inside);
  }
}

} // namespace sinter::cuda
