// SPDX-License-Identifier: Apache-2.0
// Who does what in paged decode attention. The work of a step is a list of units, a head's keys and values of one block
// of the cache, in order of sequence, head and position. It is cut into equal ranges, one per CTA, so that the memory
// is read evenly whatever the lengths; a head whose units lie in several ranges is merged at the end.
//
// Nothing is fetched before a CTA knows its first units, and instructions on the way there are fetched as they are run:
// loops are not unrolled, and divisions are those of floats.
#pragma once
#include "templates/cuda/attention_decode_config.h"
#include "templates/cuda/layout.h"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/step_counts.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// Ranges of units: CTAs below `ctas` have `base` each, the first `extra` one more.
struct DecodeShares {
  int ctas, base, extra;
  __device__ __forceinline__ int begin(int cta) const { return cta * base + (cta < extra ? cta : extra); }
  __device__ __forceinline__ int count(int cta) const { return cta < ctas ? base + (cta < extra) : 0; }
  /// The CTA that has a unit.
  __device__ __forceinline__ int owner(int unit) const {
    int wide = extra * (base + 1);
    return unit < wide ? unit / (base + 1) : extra + (unit - wide) / base;
  }
};

/// a / b of numbers above 0 of which b times the quotient is below 2^21, in few instructions.
__device__ __forceinline__ int dividePositive(int a, int b) { return int(__fdividef(float(a) + 0.5f, float(b))); }

/// A unit, as its CTA needs it.
struct alignas(16) DecodeUnit {
  int pool;     ///< block * kvHeads + head: which keys and values
  int sequence; ///< of the step
  int row;      ///< of q
  int head;     ///< of keys
  int block;    ///< of the sequence: position / kvBlockTokens
  int blocks;   ///< of the sequence
  int length;   ///< of the sequence, with its new token
  int position; ///< of its new token
};

/// Where the sequences of the step start in the list of units, in blocks of one head, and their lengths, by one warp. A
/// sequence that is not for this kernel has no blocks.
template <AttentionDecodeConfig C>
__device__ void scanSequences(const rt::CudaStep &step, int *starts, int *lengths) {
  constexpr int each = ceilDiv(C.maxSequences, 32);
  int lane = int(threadIdx.x) % 32, first = lane * each;
  int sequences = sequenceCount(step), length[each], sum = 0; // lengths are there, whatever the count will be
#pragma unroll
  for (int i = 0; i < each; ++i)
    length[i] = first + i < C.maxSequences ? loadL2(step.contextLengths + first + i) : 0;
#pragma unroll
  for (int i = 0; i < each; ++i)
    length[i] = first + i < sequences ? length[i] : 0;
  if constexpr (!C.fused) {
#pragma unroll
    for (int i = 0; i < each; ++i)
      if (int s = first + i; s < sequences && queryLength(step, s) != 1)
        length[i] = 0;
  }
#pragma unroll
  for (int i = 0; i < each; ++i)
    sum += ceilDiv(length[i], kvBlockTokens);
  int before = prefixSum(sum, lane) - sum;
#pragma unroll
  for (int i = 0; i < each; ++i)
    if (first + i < C.maxSequences) {
      starts[first + i] = before;
      lengths[first + i] = length[i];
      before += ceilDiv(length[i], kvBlockTokens);
      if (first + i + 1 == C.maxSequences)
        starts[C.maxSequences] = before;
    }
}

/// All units, cut over as many CTAs as have any.
template <AttentionDecodeConfig C>
__device__ __forceinline__ DecodeShares shareUnits(int units) {
  if (units < C.grid())
    return {units, 1, 0};
  int base = units / C.grid();
  return {C.grid(), base, units - base * C.grid()};
}

/// A CTA's units, each warp with a copy of its own: eight are looked up at a time, a lane each, so that neither the
/// search nor the block table is waited for often. The latest sixteen can be read.
template <AttentionDecodeConfig C>
struct DecodeUnits {
  static constexpr int together = C.unitRing / 2;
  const rt::CudaStep &step;
  const int *starts, *lengths;
  DecodeUnit *ring; ///< of this warp
  int first, count; ///< in the list

  __device__ __forceinline__ const DecodeUnit &at(int i) const { return ring[i % C.unitRing]; }

  /// Looks up units [i, i + together), by the whole warp.
  __device__ __forceinline__ void lookUp(int i) const {
    int lane = int(threadIdx.x) % 32;
    if (lane < together && i + lane < count) {
      DecodeUnit unit = ofList(first + i + lane);
      unit.pool = loadL2(step.blockTable + (long long)unit.sequence * step.blockTableStride + unit.block) * C.kvHeads +
                  unit.head;
      ring[(i + lane) % C.unitRing] = unit;
    }
    __syncwarp();
  }

  /// A unit of the list, without its place in the pool.
  __device__ __forceinline__ DecodeUnit ofList(int unit) const {
    int s = sequenceOf(unit / C.kvHeads);
    int start = starts[s], blocks = starts[s + 1] - start, rest = unit - start * C.kvHeads;
    int head = dividePositive(rest, blocks);
    int row = C.fused ? s : loadL2(step.queryStart + s);
    return {0, s, row, head, rest - head * blocks, blocks, lengths[s], lengths[s] - 1};
  }

private:
  /// The sequence that has a block: the last to start there or before.
  __device__ __forceinline__ int sequenceOf(int block) const {
    int found = 0;
#pragma unroll 1
    for (int stride = powerBelow(C.maxSequences); stride; stride /= 2)
      if (found + stride < C.maxSequences && starts[found + stride] <= block)
        found += stride;
    return found;
  }

  static constexpr int powerBelow(int n) {
    int p = 1;
    while (p * 2 < n)
      p *= 2;
    return n > 1 ? p : 0;
  }
};

} // namespace sinter::cuda
