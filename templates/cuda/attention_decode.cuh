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
// Arguments: fused: 0 qkv, 1 rope table, 2 norm weight of q, 3 of k; else 0 q. 4 pool, 5 out, 6 counters.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/attention_decode_merge.cuh"
#include "templates/cuda/attention_decode_unit.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/memory.cuh"

namespace sinter::cuda {

/// The head of a unit that is number `at` in the list, of which the CTA has `left` from there on.
template <AttentionDecodeConfig C>
__device__ __forceinline__ DecodeHead headOf(DecodeShares shares, const DecodeUnit &unit, int at, int left) {
  DecodeHead h{int(blockIdx.x), int(blockIdx.x), unit.row * C.heads + unit.head * C.group()};
  if (unit.block > 0)
    h.first = shares.owner(at - unit.block);
  if (unit.blocks - unit.block > left)
    h.last = shares.owner(at - unit.block + unit.blocks - 1);
  return h;
}

/// Merges what the warps have found of a head: into the output, or the mail of a CTA that has more of it, or, where
/// only CTAs before this one have, to be held until the end.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void finishHead(const DecodeState<C> &state, char *shared, const rt::CudaArgs<N> &args,
                                           const DecodeHead &h) {
  int cta = int(blockIdx.x);
#pragma unroll
  for (int part = 0; part < DecodeQuery<C>::eights; ++part) {
    __syncthreads(); // what was there before has been read
    shareState<C>(state, part, shared);
    __syncthreads();
    for (int i = int(threadIdx.x) / 32; i < 8 && part * 8 + i < C.group(); i += C.warps) {
      DecodeRow<C> row = mergeWarps<C>(shared, i);
      int head = part * 8 + i;
      if (h.last > cta)
        sendRow<C>(args.template get<u32>(6), cta, head, row);
      else if (h.first == cta)
        storeRow<C>(args.template get<u16>(5) + (long long)(h.row + head) * C.headDim, row);
      else
        holdRow<C>(shared, head, row);
    }
  }
}

/// Merges the head that CTAs before this one have begun and this one has ended.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void mergeHead(const char *shared, const rt::CudaArgs<N> &args, const DecodeHead &h) {
#pragma unroll 1
  for (int head = int(threadIdx.x) / 32; head < C.group(); head += C.warps)
    storeRow<C>(args.template get<u16>(5) + (long long)(h.row + head) * C.headDim,
                mergeMail<C>(args.template get<u32>(6), h.first, h.last, head, heldRow<C>(shared, head)));
}

/// All units of a CTA.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void attendUnits(const rt::CudaStep &step, const rt::CudaArgs<N> &args, char *shared,
                                            DecodeShares shares, const DecodeUnits<C> &units, DecodeRing<C> &ring) {
  DecodeState<C> state;
  DecodeQuery<C> query;
  DecodeToken token{};
  DecodeFactors factors;
  DecodeRows<C> rows;
  DecodeHead head, begun;
  loadNorms<C>(factors, args);
  units.lookUp(0);
  loadAngles<C>(factors, args, units.at(0));
  ring.fillFirst(units);
  if constexpr (C.fused)
    waitForPrerequisites();
  loadRows<C>(rows, step, args, units.at(0), units.count);
  for (int i = 0;;) {
    const DecodeUnit &first = units.at(i);
    head = headOf<C>(shares, first, units.first + i, units.count - i); // while the rows are on their way
    if (i == 0)
      begun = head;
    beginHead<C>(query, token, rows, factors, args, shared, first);
    state.clear();
    for (bool more = true; more;) {
      attendUnit<C>(state, query, token, units, ring, i);
      const DecodeUnit &unit = units.at(i++);
      more = unit.block < unit.blocks - 1 && i < units.count;
    }
    if (i < units.count) { // on their way while this head is finished
      loadAngles<C>(factors, args, units.at(i));
      loadRows<C>(rows, step, args, units.at(i), units.count - i);
    }
    finishHead<C>(state, shared, args, head);
    if (i == units.count)
      break;
  }
  if (int cta = int(blockIdx.x); begun.first < cta && begun.last == cta)
    mergeHead<C>(shared, args, begun);
}

template <AttentionDecodeConfig C, int N>
__device__ void attentionDecode(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  extern __shared__ __align__(128) char shared[];
  launchDependents();
  int warp = int(threadIdx.x) / 32, cta = int(blockIdx.x);
  u32 base = sharedAddress(shared);
  DecodeRing<C> ring{base + warp * C.slots * C.sliceBytes(), base + C.barriersAt() + warp * C.slots * 8,
                     args.template get<const char>(4)};
  int *starts = reinterpret_cast<int *>(shared + C.startsAt());
  int *lengths = reinterpret_cast<int *>(shared + C.lengthsAt());
  DecodeUnit *looked = reinterpret_cast<DecodeUnit *>(shared + C.unitsAt()) + warp * C.unitRing;
  if (warp == 0)
    scanSequences<C>(step, starts, lengths);
  ring.init();
  __syncthreads();
  DecodeShares shares = shareUnits<C>(starts[C.maxSequences] * C.kvHeads);
  DecodeUnits<C> units{step, starts, lengths, looked, shares.begin(cta), shares.count(cta)};
  if (units.count == 0) {
    if (cta == 0)
      waitForPrerequisites(); // whoever waits for this kernel waits for those before it
    return;
  }
  if constexpr (!C.fused)
    waitForPrerequisites();
  attendUnits<C>(step, args, shared, shares, units, ring);
}

} // namespace sinter::cuda
