// SPDX-License-Identifier: Apache-2.0
// What all threads of a block do together when they sample: sums, the place where a running sum reaches a target, and
// sorting. All on integers, so that the order of sums does not matter. Called by all threads; each starts and ends with
// a barrier where it uses shared memory.
#pragma once
#include "templates/cuda/ptx/types.cuh"
#include "templates/cuda/sample_row.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// Shared memory of a block.
struct SampleSpace {
  u64 *list;      ///< [sampleList]
  u32 *counts;    ///< [sampleList]
  float *largest; ///< [groups]
  float *sums;    ///< [groups], of exp((logit - largest of the group) * scale)
  u64 *exchange;  ///< [64]: 0 to 31 by warp, then single values
};

template <SampleConfig C>
__device__ __forceinline__ SampleSpace sampleSpace(char *shared) {
  return {reinterpret_cast<u64 *>(shared), reinterpret_cast<u32 *>(shared + C.countsAt()),
          reinterpret_cast<float *>(shared + C.largestAt()), reinterpret_cast<float *>(shared + C.sumsAt()),
          reinterpret_cast<u64 *>(shared + C.exchangeAt())};
}

/// The sum of `v` over the threads before this one, and over all.
struct SamplePrefix {
  u64 before, total;
};

template <SampleConfig C>
__device__ __forceinline__ SamplePrefix blockPrefix(u64 v, u64 *exchange) {
  int lane = int(threadIdx.x % 32), warp = int(threadIdx.x / 32);
  u64 inclusive = prefixSum(v, lane);
  __syncthreads();
  if (lane == 31)
    exchange[warp] = inclusive;
  __syncthreads();
  SamplePrefix result{inclusive - v, 0};
#pragma unroll 4
  for (int i = 0; i < C.threads() / 32; ++i) {
    result.before += i < warp ? exchange[i] : 0;
    result.total += exchange[i];
  }
  return result;
}

/// The largest `v` of all threads.
template <SampleConfig C>
__device__ __forceinline__ u64 blockMax(u64 v, u64 *exchange) {
#pragma unroll
  for (int offset = 16; offset; offset /= 2) {
    u64 other = __shfl_xor_sync(~0u, v, offset);
    v = other > v ? other : v;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0)
    exchange[threadIdx.x / 32] = v;
  __syncthreads();
  for (int i = 0; i < C.threads() / 32; ++i)
    v = exchange[i] > v ? exchange[i] : v;
  return v;
}

/// The first of `n` values with which the running sum reaches `need`; n if none.
struct SampleCrossing {
  int index;
  u64 before; ///< the sum of those before it
  u64 value;  ///< its own
  u64 total;
};

template <SampleConfig C, typename F>
__device__ __forceinline__ SampleCrossing findCrossing(int n, u64 need, u64 *exchange, F valueAt) {
  need = need ? need : 1;
  int each = (n + C.threads() - 1) / C.threads(), first = int(threadIdx.x) * each, last = min(first + each, n);
  u64 own = 0;
  for (int i = first; i < last; ++i)
    own += valueAt(i);
  SamplePrefix prefix = blockPrefix<C>(own, exchange);
  if (threadIdx.x == 0)
    exchange[32] = n, exchange[33] = prefix.total, exchange[34] = 0;
  __syncthreads();
  if (prefix.before < need && need <= prefix.before + own) {
    u64 before = prefix.before, value = 0;
    int i = first;
    for (; before + (value = valueAt(i)) < need; ++i)
      before += value;
    exchange[32] = i, exchange[33] = before, exchange[34] = value;
  }
  __syncthreads();
  return {int(exchange[32]), exchange[33], exchange[34], prefix.total};
}

template <SampleConfig C, typename F>
__device__ __forceinline__ u64 blockSum(int n, u64 *exchange, F valueAt) {
  u64 own = 0;
  for (int i = int(threadIdx.x); i < n; i += C.threads())
    own += valueAt(i);
  return blockPrefix<C>(own, exchange).total;
}

/// Sorts list[0, n), ascending, n at most sampleList; bitonic.
template <SampleConfig C>
__device__ __forceinline__ void sortList(u64 *list, int n) {
  int size = 32;
  while (size < n)
    size *= 2;
  __syncthreads();
  for (int i = n + int(threadIdx.x); i < size; i += C.threads())
    list[i] = ~0ull;
  __syncthreads();
  for (int run = 2; run <= size; run *= 2)
    for (int stride = run / 2; stride; stride /= 2) {
      for (int i = int(threadIdx.x); i < size / 2; i += C.threads()) {
        int low = (i & ~(stride - 1)) * 2 | (i & (stride - 1)), high = low | stride;
        u64 a = list[low], b = list[high];
        if ((a > b) == ((low & run) == 0))
          list[low] = b, list[high] = a;
      }
      __syncthreads();
    }
}

} // namespace sinter::cuda
