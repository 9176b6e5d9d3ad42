// SPDX-License-Identifier: Apache-2.0
// Finding candidates without sorting the vocabulary: those up to a bound, gathered and sorted; and, of however many,
// the one with which a running count or mass reaches a target, by histograms that close in on it, as radix
// selection does.
#pragma once
#include "templates/cuda/ptx/types.cuh"
#include "templates/cuda/sample_block.cuh"

namespace sinter::cuda {

/// Calls each(logit, id, far) for this thread's share of the row's candidates in [low, high], and done(group), by whole
/// warps, after those of a group; groups that have none are not read.
template <SampleConfig C, typename F, typename G>
__device__ __forceinline__ void eachCandidate(const SampleSpace &space, const SampleRow &row, u64 low, u64 high, F each,
                                              G done) {
  int lane = int(threadIdx.x % 32);
  u32 nearest = farOf(low), farthest = farOf(high);
  for (int group = int(threadIdx.x / 32); group < C.groups(); group += C.threads() / 32) {
    if (row.order(space.largest[group], 0) > high)
      continue;
    float v[2][4];
    loadHalf<C>(v[0], row.logits, group, 0, lane);
    loadHalf<C>(v[1], row.logits, group, 1, lane);
#pragma unroll 1
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        int id = halfId(group, half, lane, i);
        float logit = half ? v[1][i] : v[0][i];
        u32 far = row.far(logit);
        if (far < nearest || far > farthest || id >= C.vocab)
          continue;
        if (far == nearest || far == farthest) // the whole order is made only where it matters
          if (u64 order = row.order(logit, id); order < low || order > high)
            continue;
        each(logit, id, far);
      }
    }
    done(group);
  }
}

/// Puts the candidates in [low, high] into the list, sorted. Returns how many there are; more than sampleList: too
/// many, and the list is not to be used.
template <SampleConfig C>
__device__ __forceinline__ int gather(const SampleSpace &space, const SampleRow &row, u64 low, u64 high) {
  u32 *count = reinterpret_cast<u32 *>(space.exchange + 41);
  __syncthreads();
  if (threadIdx.x == 0)
    *count = 0;
  __syncthreads();
  eachCandidate<C>(
      space, row, low, high,
      [&](float logit, int id, u32) {
        if (u32 at = atomicAdd(count, 1u); at < sampleList)
          space.list[at] = row.order(logit, id);
      },
      [](int) {});
  __syncthreads();
  int found = int(*count);
  if (found <= sampleList)
    sortList<C>(space.list, found);
  return found;
}

/// The largest of a group that is `rank`th among all groups' (from 0): there are at least rank + 1 candidates as large.
template <SampleConfig C>
__device__ __forceinline__ float rankedGroup(const SampleSpace &space, int rank) {
  static_assert(C.groups() <= sampleList);
  __syncthreads();
  for (int i = int(threadIdx.x); i < C.groups(); i += C.threads())
    space.list[i] = ~u64(keyOf(space.largest[i]));
  sortList<C>(space.list, C.groups());
  float found = logitOf(u32(~space.list[rank]));
  __syncthreads();
  return found;
}

/// A prefix of the candidates in order.
struct SampleCut {
  u64 last;  ///< the order of its last one
  u64 mass;  ///< of all of it
  int count; ///< where it is not all there are
};

/// Counts and masses of candidates in [low, high], by (order - low) >> shift: counts[], and in the list's place two
/// halves of the sums of 26-bit likelihoods, relative to the largest that the bin's far() allows. Each fits 32 bits:
/// those are what shared memory adds fast.
template <SampleConfig C>
__device__ __forceinline__ void histogram(const SampleSpace &space, const SampleRow &row, u64 low, u64 high,
                                          int shift) {
  u32 *halves = reinterpret_cast<u32 *>(space.list);
  __syncthreads();
  for (int i = int(threadIdx.x); i < sampleList; i += C.threads())
    space.list[i] = 0, space.counts[i] = 0;
  __syncthreads();
  eachCandidate<C>(
      space, row, low, high,
      [&](float logit, int id, u32 far) {
        int bin = shift == 53 ? int(far) : int((row.order(logit, id) - low) >> shift);
        float share = expf((logit - row.top) * row.scale + float(far) * (1.0f / 64));
        u32 part = far < 2047 ? min(__float2uint_rn(share * 0x1p26f), (1u << 26) - 1) : 0;
        atomicAdd(space.counts + bin, 1u);
        atomicAdd(halves + bin * 2, part & 8191);
        atomicAdd(halves + bin * 2 + 1, part >> 13);
      },
      [](int) {});
  __syncthreads();
}

/// The mass of a bin of such a histogram.
__device__ __forceinline__ u64 binMass(const SampleSpace &space, const SampleRow &row, u64 low, int shift, int bin) {
  u64 halves = space.list[bin];
  float largest = expf(float(farOf(low + (u64(bin) << shift))) * (-1.0f / 64));
  return u64(double((halves >> 32 << 13) + u32(halves)) * double(largest) * 0x1p18);
}

/// The shortest prefix of the candidates up to `limit` with a count (byMass: a mass) of at least `need`; all of them
/// when they have less. Every round divides what is left by 2048, until it can be sorted.
template <SampleConfig C>
__device__ __forceinline__ SampleCut descend(const SampleSpace &space, const SampleRow &row, bool byMass, u64 need,
                                             u64 limit) {
  u64 low = 0, high = limit, massBefore = 0;
  int countBefore = 0;
  u32 members;
  do {
    int bits = 64 - __clzll((long long)(high - low)), shift = bits > 11 ? bits - 11 : 0;
    histogram<C>(space, row, low, high, shift);
    auto massAt = [&](int i) { return binMass(space, row, low, shift, i); };
    SampleCrossing bin = findCrossing<C>(sampleList, need, space.exchange,
                                         [&](int i) { return byMass ? massAt(i) : u64(space.counts[i]); });
    massBefore += blockSum<C>(bin.index, space.exchange, massAt);
    countBefore += int(blockSum<C>(bin.index, space.exchange, [&](int i) { return u64(space.counts[i]); }));
    if (bin.index == sampleList)
      return {limit, massBefore, countBefore};
    members = space.counts[bin.index];
    need -= bin.before;
    low += u64(bin.index) << shift;
    high = min(high, low + ((1ull << shift) - 1));
  } while (members > sampleList);
  int found = gather<C>(space, row, low, high);
  auto massAt = [&](int i) { return row.mass(logitOfOrder(space.list[i])); };
  SampleCrossing at = findCrossing<C>(found, need, space.exchange, [&](int i) { return byMass ? massAt(i) : 1ull; });
  u64 mass = blockSum<C>(min(at.index + 1, found), space.exchange, massAt);
  int last = min(at.index, found - 1);
  return {space.list[last], massBefore + mass, countBefore + last + 1};
}

} // namespace sinter::cuda
