// SPDX-License-Identifier: Apache-2.0
// The one pass over a whole row of logits that every choice needs: the row's edits, the largest logit, and for draws
// the largest and the mass of every group. Several blocks may share a row; the last to end has all of it.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/sample_block.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// Adds the biases to, and takes the penalties from, logits [begin, end) of the row, in place, as
/// runtime/engine/TokenHistory.cpp does it.
template <SampleConfig C>
__device__ __forceinline__ void editLogits(const rt::CudaStep &step, const rt::CudaSampling &p, float *row, int begin,
                                           int end) {
  for (int i = p.biasBegin + int(threadIdx.x); i < p.biasEnd; i += C.threads()) {
    rt::CudaLogitBias one = step.bias[i];
    if (one.token < begin || one.token >= end)
      continue;
    bool first = true; // a token that is there twice is its first thread's
    for (int j = p.biasBegin; j < i; ++j)
      first &= step.bias[j].token != one.token;
    if (!first)
      continue;
    float logit = loadL2(row + one.token) + one.bias;
    for (int j = i + 1; j < p.biasEnd; ++j)
      if (step.bias[j].token == one.token)
        logit += step.bias[j].bias;
    row[one.token] = logit;
  }
  __syncthreads();
  if (p.repetition == 1 && p.frequency == 0 && p.presence == 0)
    return;
  for (int i = p.historyBegin + int(threadIdx.x); i < p.historyEnd; i += C.threads()) {
    rt::CudaTokenCount one = step.history[i];
    if (one.token < begin || one.token >= end)
      continue;
    float logit = loadL2(row + one.token);
    logit = logit > 0 ? __fdiv_rn(logit, p.repetition) : __fmul_rn(logit, p.repetition);
    if (one.count > 0)
      logit = __fsub_rn(logit, __fadd_rn(__fmul_rn(p.frequency, float(one.count)), p.presence));
    row[one.token] = logit;
  }
  __syncthreads();
}

/// The largest logit that a warp has seen.
struct SampleBest {
  u64 own = 0;              ///< of this lane's, key and inverted id: the warp's largest is one of its lanes' own
  float bound = quietNan(); ///< no lane's own is larger; NaN: nothing is known
};

/// Takes in a group, with the logits of this lane. Few groups have one that is larger than all before.
__device__ __forceinline__ void keepLargest(SampleBest &best, const float (&v)[2][4], int group, int lane) {
  float most = v[0][0];
#pragma unroll
  for (int i = 1; i < 8; ++i)
    most = maxOrNan(most, v[i / 4][i % 4]);
  if (__all_sync(~0u, most <= best.bound))
    return;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    u64 one = u64(keyOf(v[i / 4][i % 4])) << 32 | ~u32(halfId(group, i / 4, lane, i % 4));
    best.own = one > best.own ? one : best.own;
  }
  best.bound = maxOverWarp(logitOf(u32(best.own >> 32)));
}

/// The largest of a group and the sum of exp((logit - largest) * scale).
__device__ __forceinline__ void measureGroup(const float (&v)[2][4], float scale, float &largest, float &sum) {
  largest = v[0][0];
#pragma unroll
  for (int i = 1; i < 8; ++i)
    largest = fmaxf(largest, v[i / 4][i % 4]);
  largest = maxOverWarp(largest);
  sum = 0;
  if (keyOf(largest) > 0x007fffffu) // not -inf
#pragma unroll
    for (int i = 0; i < 8; ++i)
      sum += expf((v[i / 4][i % 4] - largest) * scale);
  sum = sumOverLanes(sum);
}

/// Groups [begin, end) of the row. Returns the largest logit's key and inverted id, to all threads; for draws, fills
/// largest[] and sums[], indexed by group.
template <SampleConfig C>
__device__ __forceinline__ u64 scanGroups(const float *row, int begin, int end, bool draws, float scale, float *largest,
                                          float *sums, u64 *exchange) {
  constexpr int warps = C.threads() / 32, depth = 2; // groups of a warp whose loads are under way at once
  int lane = int(threadIdx.x % 32);
  SampleBest best;
  for (int group = begin + int(threadIdx.x / 32); group < end; group += depth * warps) {
    float v[depth][2][4];
#pragma unroll
    for (int i = 0; i < 2 * depth; ++i) {
      int one = group + i / 2 * warps;
      loadHalf<C>(v[i / 2][i % 2], row, one < end ? one : C.groups(), i % 2, lane);
    }
#pragma unroll
    for (int i = 0; i < depth; ++i)
      if (int one = group + i * warps; one < end) {
        keepLargest(best, v[i], one, lane);
        if (draws) {
          float most, sum;
          measureGroup(v[i], scale, most, sum);
          if (lane == 0)
            largest[one] = most, sums[one] = sum;
        }
      }
  }
  return blockMax<C>(best.own, exchange);
}

/// Says that this block's part of a row is done, after its writes to global memory. True, for all threads, in the last
/// of the row's blocks, which then sees what all have written.
template <SampleConfig C>
__device__ __forceinline__ bool lastOfRow(u32 *counter, u64 *exchange) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    u32 earlier = atomicAdd(counter, 1u);
    if (earlier == u32(C.parts() - 1))
      *counter = 0;
    exchange[40] = earlier;
  }
  __syncthreads();
  bool last = exchange[40] == u64(C.parts() - 1);
  __threadfence();
  return last;
}

/// Shares a row's scan between its blocks. Returns as scanGroups() does over the whole row, in the last block; 0 in the
/// others.
template <SampleConfig C>
__device__ __forceinline__ u64 scanShared(const float *row, int index, bool draws, float scale, char *workspace,
                                          u32 *counters, const SampleSpace &space) {
  int part = int(blockIdx.x) % C.parts();
  float *largest = reinterpret_cast<float *>(workspace) + (long long)index * C.groups() * 2;
  float *sums = largest + C.groups();
  u64 *best = reinterpret_cast<u64 *>(workspace + C.partsAt()) + index * C.parts();
  u64 own = scanGroups<C>(row, part * C.partGroups(), min((part + 1) * C.partGroups(), C.groups()), draws, scale,
                          largest, sums, space.exchange);
  if (threadIdx.x == 0)
    best[part] = own;
  if (!lastOfRow<C>(counters + index, space.exchange))
    return 0;
  if (draws)
    for (int i = int(threadIdx.x); i < C.groups(); i += C.threads())
      space.largest[i] = loadL2(largest + i), space.sums[i] = loadL2(sums + i);
  own = 0;
  for (int i = int(threadIdx.x); i < C.parts(); i += C.threads()) {
    const u32 *words = reinterpret_cast<const u32 *>(best + i);
    u64 one = u64(loadL2(words + 1)) << 32 | loadL2(words);
    own = one > own ? one : own;
  }
  return blockMax<C>(own, space.exchange);
}

} // namespace sinter::cuda
