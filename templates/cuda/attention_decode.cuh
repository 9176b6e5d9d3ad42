// SPDX-License-Identifier: Apache-2.0
// Paged attention of a decode step: one query token a sequence, keys and values read once, at the speed of memory.
//
// The heads of a group are columns of mma.m16n8k16. A CTA has a range of units (attention_decode_work.cuh); each of
// its warps has 16 tokens of every block, a ring for them and a softmax of its own; they meet when a head is finished.
// What earlier steps wrote, and the step's own arrays, can be read before the kernels of this step are done, so a fused
// kernel fills its rings and fetches what queries are roped with before it waits.
// Source: Dao, Haziza, Massa and Sizov, "Flash-Decoding for long-context inference", 2023; Kwon et al., "Efficient
// Memory Management for Large Language Model Serving with PagedAttention", 2023
//
// Arguments: fused: 0 qkv, 1 rope table, 2 norm weight of q, 3 of k; else 0 q. 4 pool, 5 out, 6 workspace, 7 counters.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/attention_decode_merge.cuh"
#include "templates/cuda/attention_decode_unit.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/memory.cuh"

namespace sinter::cuda {

/// The head that a CTA has just gone through, or its part of one.
struct DecodeHead {
  DecodeParts parts;
  bool whole; ///< no other CTA has a part
  int counter;
  int row; ///< of the output, in heads: the group's first
};

/// The head of a unit, the first that the CTA has of it and number `unit.block` of the sequence; `at`: its place in the
/// list of all units, `left`: how many the CTA has from there on.
template <AttentionDecodeConfig C>
__device__ __forceinline__ DecodeHead headOf(DecodeShares shares, const DecodeUnit &unit, int at, int left) {
  DecodeHead h{{},
               unit.block == 0 && unit.blocks <= left,
               unit.sequence * C.kvHeads + unit.head,
               unit.row * C.heads + unit.head * C.group()};
  if (!h.whole) {
    int first = at - unit.block;
    h.parts.first = shares.owner(first);
    h.parts.parts = shares.owner(first + unit.blocks - 1) - h.parts.first + 1;
    h.parts.firstIsLater = shares.begin(h.parts.first) != first;
  }
  return h;
}

/// Merges what the CTAs have found of a head, if this is the last of them. Each warp counts for its own rows.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void mergeHead(const DecodeWorkspace<C> &workspace, const rt::CudaArgs<N> &args,
                                          const DecodeHead &h) {
  int warp = int(threadIdx.x) / 32;
  if (warp >= C.mergers())
    return;
  __syncwarp();
  u32 *counter = args.template get<u32>(7) + h.counter * C.mergers() + warp;
  u32 arrived = threadIdx.x % 32 == 0 ? addTicket(counter, 1) : 0;
  if (int(__shfl_sync(~0u, arrived, 0)) != h.parts.parts - 1)
    return;
  __syncwarp(); // what lane 0 has seen, all have
  for (int head = warp; head < C.group(); head += C.warps)
    storeRow<C>(args.template get<u16>(5) + (long long)(h.row + head) * C.headDim,
                mergeParts<C>(workspace, h.parts, head));
  if (threadIdx.x % 32 == 0)
    *counter = 0;
}

/// Merges what the warps have found of a head, and leaves it in the output, or where other CTAs find it.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void finishHead(const DecodeState<C> &state, char *shared, const rt::CudaArgs<N> &args,
                                           const DecodeHead &h) {
  DecodeWorkspace<C> workspace{args.template get<float>(6)};
#pragma unroll
  for (int part = 0; part < DecodeQuery<C>::eights; ++part) {
    __syncthreads(); // what was there before has been read
    shareState<C>(state, part, shared);
    __syncthreads();
    for (int i = int(threadIdx.x) / 32; i < 8 && part * 8 + i < C.group(); i += C.warps) {
      DecodeRow<C> row = mergeWarps<C>(shared, i);
      int head = part * 8 + i;
      if (h.whole)
        storeRow<C>(args.template get<u16>(5) + (long long)(h.row + head) * C.headDim, row);
      else
        storePartial<C>(workspace, h.parts.partial(int(blockIdx.x) - h.parts.first), head, row);
    }
  }
  if (!h.whole)
    mergeHead<C>(workspace, args, h);
}

/// All units of a CTA. `units` has looked up the first, and what they need of the ring is ordered.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void attendUnits(const rt::CudaStep &step, const rt::CudaArgs<N> &args, char *shared,
                                            DecodeShares shares, const DecodeUnits<C> &units, DecodeRing<C> &ring) {
  DecodeState<C> state;
  DecodeQuery<C> query;
  DecodeToken token{};
  DecodeFactors factors;
  loadNorms<C>(factors, args);
  loadAngles<C>(factors, args, units.at(0));
  DecodeHead head = headOf<C>(shares, units.at(0), units.first, units.count);
  if constexpr (C.fused)
    waitForPrerequisites();
  beginHead<C>(query, token, factors, step, args, shared, units.at(0), units.count);
  state.clear();
  for (int i = 0; i < units.count; ++i) {
    attendUnit<C>(state, query, token, units, ring, i);
    const DecodeUnit &unit = units.at(i);
    if (unit.block < unit.blocks - 1 && i < units.count - 1)
      continue;
    finishHead<C>(state, shared, args, head);
    if (i == units.count - 1)
      return;
    const DecodeUnit &next = units.at(i + 1);
    int left = units.count - i - 1;
    loadAngles<C>(factors, args, next);
    head = headOf<C>(shares, next, units.first + i + 1, left);
    beginHead<C>(query, token, factors, step, args, shared, next, left);
    state.clear();
  }
}

template <AttentionDecodeConfig C, int N>
__device__ void attentionDecode(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  extern __shared__ __align__(128) char shared[];
  launchDependents();
  int warp = int(threadIdx.x) / 32;
  u32 base = sharedAddress(shared);
  DecodeRing<C> ring{base + warp * C.slots * C.sliceBytes(), base + C.barriersAt() + warp * C.slots * 8,
                     args.template get<const char>(4)};
  ring.init();
  DecodeUnit *looked = reinterpret_cast<DecodeUnit *>(shared + C.unitsAt()) + warp * C.unitRing;
  int *starts = reinterpret_cast<int *>(shared + C.startsAt());
  int cta = int(blockIdx.x);
  if (threadIdx.x < 32)
    scanSequences<C>(step, starts);
  __syncthreads();
  DecodeShares shares = shareUnits<C>(starts[C.maxSequences] * C.kvHeads);
  DecodeUnits<C> units{step, starts, looked, shares.begin(cta), shares.count(cta)};
  if (units.count == 0) {
    if (cta == 0)
      waitForPrerequisites(); // whoever waits for this kernel waits for those before it
    return;
  }
  if constexpr (!C.fused)
    waitForPrerequisites();
  startUnits<C>(units, ring);
  attendUnits<C>(step, args, shared, shares, units, ring);
}

} // namespace sinter::cuda
