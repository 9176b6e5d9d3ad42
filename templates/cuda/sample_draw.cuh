// SPDX-License-Identifier: Apache-2.0
// One draw from a row, in the order of runtime/engine/Sampler.h: min-p, top-k, top-p, and a token from what is left.
//
// The sums are not the host's bit by bit: likelihoods are float32, added up exactly. A token differs from the host's
// where the random number, or top-p's mass, falls within about 1e-6 of a border between two tokens.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/sample_select.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// The first integer sum that is more than `random` of a mass, and the first that is at least `part` of it.
__device__ __forceinline__ u64 above(double random, u64 mass) { return u64(random * double(mass)) + 1; }
__device__ __forceinline__ u64 atLeast(float part, u64 mass) { return u64(ceil(double(part) * double(mass))); }

/// list[chunk] = the mass of the chunk's candidates up to `limit`; returns the sum.
template <SampleConfig C>
__device__ __forceinline__ u64 weighChunks(const SampleSpace &space, const SampleRow &row, u64 limit) {
  constexpr int chunkGroups = sampleChunk / sampleGroup;
  __syncthreads();
  for (int chunk = int(threadIdx.x); chunk < C.chunks(); chunk += C.threads()) {
    u64 mass = 0; // what the first pass has measured; without a limit, it is all
    for (int i = chunk * chunkGroups; limit == ~0ull && i < min((chunk + 1) * chunkGroups, C.groups()); ++i)
      mass += row.fixed(space.sums[i] * expf((space.largest[i] - row.top) * row.scale));
    space.list[chunk] = mass;
  }
  __syncthreads();
  if (limit != ~0ull) {
    float own = 0; // of a group, summed in a fixed order; groups as integers, in any
    eachCandidate<C>(
        space, row, 0, limit, [&](float logit, int, u32) { own += row.likelihood(logit); },
        [&](int group) {
          own = sumOverLanes(own);
          if (threadIdx.x % 32 == 0)
            atomicAdd(space.list + group / chunkGroups, row.fixed(own));
          own = 0;
        });
  }
  __syncthreads();
  return blockSum<C>(C.chunks(), space.exchange, [&](int i) { return space.list[i]; });
}

/// Draws from the candidates up to `limit`, which weighChunks() has weighed, chunk by chunk. In a chunk they come by
/// id, or where the host takes them from LogitsRow::atLeast() (`strided`) every 16th by every 16th.
template <SampleConfig C>
__device__ __forceinline__ int drawFromChunks(const SampleSpace &space, const SampleRow &row, u64 limit, double random,
                                              u64 total, bool strided) {
  SampleCrossing chunk = findCrossing<C>(C.chunks(), min(above(random, total), total), space.exchange,
                                         [&](int i) { return space.list[i]; });
  if (chunk.index >= C.chunks())
    return row.topToken;
  auto idAt = [&](int i) { return chunk.index * sampleChunk + (strided ? i % 64 * 16 + i / 64 : i); };
  auto massAt = [&](int i) -> u64 {
    int id = idAt(i);
    float logit = id < C.vocab ? loadL2(row.logits + id) : 0;
    return id < C.vocab && row.order(logit, id) <= limit ? row.mass(logit) : 0;
  };
  u64 mass = blockSum<C>(sampleChunk, space.exchange, massAt); // may be a little less than the first pass has measured
  u64 need = min(above(random, total), total) - chunk.before;
  int at = findCrossing<C>(sampleChunk, min(need, mass), space.exchange, massAt).index;
  return at < sampleChunk ? idAt(at) : row.topToken;
}

/// Draws from the first `count` of the sorted list.
template <SampleConfig C>
__device__ __forceinline__ int drawFromList(const SampleSpace &space, const SampleRow &row, int count, double random) {
  auto massAt = [&](int i) { return row.mass(logitOfOrder(space.list[i])); };
  u64 total = blockSum<C>(count, space.exchange, massAt);
  int at = findCrossing<C>(count, above(random, total), space.exchange, massAt).index;
  return at < count ? idOf(space.list[at]) : row.topToken;
}

/// Top-k, top-p or both from the list, which gets the `wanted` likeliest, or those that top-p looks at first. Returns
/// -1 when they are too many to sort, or too few for top-p. `limit`: min-p's; `total`: the mass up to it, for top-p
/// alone. `settled`: what is up to the limit is what is to be drawn from.
template <SampleConfig C>
__device__ __forceinline__ int drawLikely(const SampleSpace &space, const SampleRow &row, const rt::CudaSampling &p,
                                          u64 limit, u64 total, double random, bool settled) {
  int wanted = p.topK > 0 ? p.topK : sampleLikely;
  if (wanted < C.groups() && !settled)
    limit = min(limit, row.order(rankedGroup<C>(space, wanted - 1), idsEnd));
  int found = gather<C>(space, row, 0, limit), count = min(found, wanted);
  if (found > sampleList)
    return -1;
  auto massAt = [&](int i) { return row.mass(logitOfOrder(space.list[i])); };
  if (p.topK > 0)
    total = blockSum<C>(count, space.exchange, massAt);
  if (p.topP < 1 && !settled) {
    int at = findCrossing<C>(count, atLeast(p.topP, total), space.exchange, massAt).index;
    if (at == count && p.topK == 0)
      return -1;
    count = min(at + 1, count);
  }
  return drawFromList<C>(space, row, count, random);
}

/// Top-k, top-p or both over more candidates than the list holds: each is a descent, and for top-k so is the draw.
/// Returns what is left for the draw by top-p alone, else a cut whose last is drawn.
template <SampleConfig C>
__device__ __forceinline__ SampleCut cutMany(const SampleSpace &space, const SampleRow &row, const rt::CudaSampling &p,
                                             u64 limit, u64 total, double random) {
  SampleCut cut{limit, total, 0};
  enum { TopK, TopP, Draw };
#pragma unroll 1
  for (int stage = p.topK > 0 ? TopK : TopP; stage <= (p.topK > 0 ? Draw : TopP); ++stage)
    if (stage != TopP || p.topP < 1)
      cut = descend<C>(space, row, stage != TopK,
                       stage == TopK   ? u64(p.topK)
                       : stage == TopP ? atLeast(p.topP, cut.mass)
                                       : above(random, cut.mass),
                       cut.last);
  return cut;
}

/// The token of a row with a temperature, its groups measured.
template <SampleConfig C>
__device__ __forceinline__ int drawToken(const SampleSpace &space, const SampleRow &row, const rt::CudaSampling &p) {
  double random = uniform(p.seed, p.index);
  u64 limit = ~0ull;
  if (p.minP > 0)
    limit = row.order(__fadd_rn(row.top, __fdiv_rn(logf(p.minP), row.scale)), idsEnd);
  bool likely = p.topK > 0 || p.topP < 1, strided = likely || p.minP > 0;
  for (bool settled = false;; settled = true) {
    u64 total = p.topK > 0 ? 0 : weighChunks<C>(space, row, limit);
    if (!likely)
      return drawFromChunks<C>(space, row, limit, random, total, strided);
    // No likelihood is above 1: for more mass than that of so many, the likeliest cannot be enough.
    if (p.topK > 0 || settled || atLeast(p.topP, total) <= u64(sampleLikely) << 44)
      if (int token = drawLikely<C>(space, row, p, limit, total, random, settled); token >= 0)
        return token;
    SampleCut cut = cutMany<C>(space, row, p, limit, total, random);
    limit = cut.last;
    if (p.topK > 0)
      return idOf(limit) < C.vocab ? idOf(limit) : row.topToken;
    likely = cut.count <= sampleLikely;
  }
}

} // namespace sinter::cuda
