// SPDX-License-Identifier: Apache-2.0
// RMSNorm of rows, one block a row at a time, the row in registers.
// Arguments: 0 x, 1 weight (null when it is folded into what reads y), 2 y.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/norm_config.h"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/step_counts.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// The sum over the block of one float a thread, for every thread, in a fixed order. `sums`: 32 floats; the caller
/// keeps two calls apart by alternating between two of them.
template <int Threads>
__device__ __forceinline__ float sumOverBlock(float v, float *sums) {
  v = sumOverLanes(v);
  if constexpr (Threads == 32)
    return v;
  if (threadIdx.x % 32 == 0)
    sums[threadIdx.x / 32] = v;
  __syncthreads();
  float total = 0;
#pragma unroll
  for (int warp = 0; warp < Threads / 32; ++warp)
    total += sums[warp];
  return total;
}

__device__ __forceinline__ u32 normPair(u32 x, float factor, u32 low, u32 high) {
  return toBf16Pair(lowBf16(x) * factor * __uint_as_float(low), highBf16(x) * factor * __uint_as_float(high));
}

/// One row; `sums` as sumOverBlock() wants it.
template <RmsNormConfig C>
__device__ __forceinline__ void normRow(const u16 *x, const float *weight, u16 *y, float *sums) {
  constexpr int count = C.threadPieces();
  U32x4 row[count];
  float squares = 0;
#pragma unroll
  for (int i = 0; i < count; ++i) {
    int piece = i * C.threads() + int(threadIdx.x);
    row[i] = piece < C.pieces() ? loadL2x4(x + piece * 8) : U32x4{};
    squares += squaresOf(row[i]);
  }
  float factor = normFactor(sumOverBlock<C.threads()>(squares, sums), C.hidden, C.eps);
#pragma unroll
  for (int i = 0; i < count; ++i)
    if (int piece = i * C.threads() + int(threadIdx.x); piece < C.pieces()) {
      u32 one = __float_as_uint(1.0f);
      U32x4 a{one, one, one, one}, b = a;
      if constexpr (C.weighted) {
        a = loadConstantX4(weight + piece * 8);
        b = loadConstantX4(weight + piece * 8 + 4);
      }
      storeGlobal(y + piece * 8, {normPair(row[i].x, factor, a.x, a.y), normPair(row[i].y, factor, a.z, a.w),
                                  normPair(row[i].z, factor, b.x, b.y), normPair(row[i].w, factor, b.z, b.w)});
    }
}

template <RmsNormConfig C, int N>
__device__ void rmsNorm(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  __shared__ float sums[2][32];
  launchDependents();
  for (int piece = int(threadIdx.x); C.weighted && piece < C.hidden / 32; piece += C.threads())
    prefetchL2(args.template get<const float>(1) + piece * 32);
  waitForPrerequisites();
  int count = rowCount(step), turn = 0;
  for (int row = int(blockIdx.x); row < count; row += C.grid(), turn ^= 1) {
    long long at = (long long)row * C.hidden;
    normRow<C>(args.template get<const u16>(0) + at, args.template get<const float>(1), args.template get<u16>(2) + at,
               sums[turn]);
  }
}

} // namespace sinter::cuda
