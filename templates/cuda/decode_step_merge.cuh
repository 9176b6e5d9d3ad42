// SPDX-License-Identifier: Apache-2.0
// From what warps have found of a group of heads to a row of attention's output: the warps of an SM meet in shared
// memory and put what they have into the exchange, where a finishing warp of some SM merges 32 columns of a head.
// Source: as attention_decode.cuh
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/decode_step_consume.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// Of a warp, as DecodeState: lane (g, t) has columns 8 i + 2 t and the next of head g.
template <DecodeStepConfig C>
struct StepHeads {
  float out[C.headDim / 8][2];
  float max, sum;
};

/// Leaves what this warp found of the group where all consuming warps find it. `number`: the warp's among those that
/// attend.
template <DecodeStepConfig C>
__device__ __forceinline__ void shareHeads(const StepConsumer<C> &self, const StepHeads<C> &state, int number) {
  float sum = sumOverQuad(state.sum);
  int head = self.lane / 4, t = self.lane % 4;
  if (head < C.group()) {
    u32 at = self.shared + C.stateAt() + (number * C.group() + head) * C.rowStride() * 4;
#pragma unroll
    for (int i = 0; i < C.headDim / 8; ++i) {
      storeShared(at + (i * 8 + t * 2) * 4, __float_as_uint(state.out[i][0]));
      storeShared(at + (i * 8 + t * 2 + 1) * 4, __float_as_uint(state.out[i][1]));
    }
    if (t == 0) {
      u32 sums =
          self.shared + C.stateAt() + (C.warps * C.group() * C.rowStride() + (number * C.group() + head) * 2) * 4;
      storeShared(sums, __float_as_uint(state.max));
      storeShared(sums + 4, __float_as_uint(sum));
    }
  }
  namedBarrier(1, C.warps * 32);
}

/// Publishes what the first `active` warps found of a group, in partWords() words at `to`: a column a thread.
template <DecodeStepConfig C>
__device__ __forceinline__ void publishHeads(const StepConsumer<C> &self, const char *shared, int active, u32 *to) {
  constexpr int dim = C.headDim;
  const float *rows = reinterpret_cast<const float *>(shared + C.stateAt());
  const float *sums = rows + C.warps * C.group() * C.rowStride();
#pragma unroll
  for (int i = 0; i < ceilDiv(C.group() * dim, C.warps * 32); ++i) {
    int index = i * C.warps * 32 + self.warp * 32 + self.lane, head = index / dim, column = index % dim;
    if (head >= C.group())
      break;
    float max = minusInfinity(), sum = 0, out = 0;
#pragma unroll
    for (int w = 0; w < C.warps; ++w)
      if (w < active)
        max = fmaxf(max, sums[(w * C.group() + head) * 2]);
#pragma unroll
    for (int w = 0; w < C.warps; ++w)
      if (w < active) {
        float weight = exp2Approx(sums[(w * C.group() + head) * 2] - max);
        sum += weight * sums[(w * C.group() + head) * 2 + 1];
        out += weight * rows[(w * C.group() + head) * C.rowStride() + column];
      }
    storeRelaxed(to + index, presentFloat(out));
    if (column == 0) {
      storeRelaxed(to + C.group() * dim + head * 2, presentFloat(max));
      storeRelaxed(to + C.group() * dim + head * 2 + 1, presentFloat(sum));
    }
  }
}

/// Merges 32 columns of a head over all SMs that have a part of it, and publishes them. `task`: which; by one warp.
template <DecodeStepConfig C>
__device__ __forceinline__ void mergeStep(const StepExchange<C> &exchange, const StepUnits<C> &units, int task) {
  constexpr int perHead = C.headDim / 32;
  int lane = int(threadIdx.x) % 32, head = task / perHead, column = task % perHead * 32 + lane;
  int kvHead = head / C.group(), row = head % C.group();
  int unit = kvHead * units.blocks, first = units.owner(unit), parts = units.owner(unit + units.blocks - 1) - first + 1;
  // An SM has one head or two that follow each other.
  const u32 *from = exchange.at(C.partsAt()) + (first * 2 + kvHead % 2) * C.partWords();
  const u32 *columns = from + row * C.headDim + column;
  const u32 *sums = from + lane * (2 * C.partWords()) + C.group() * C.headDim + row * 2;
  u32 words[C.maxParts + 2];
  pollWords<C.maxParts + 2>(words, [&](int i) {
    return i < C.maxParts ? i < parts ? columns + i * (2 * C.partWords()) : nullptr
           : lane < parts ? sums + (i - C.maxParts)
                          : nullptr;
  });
  float max = lane < parts ? __uint_as_float(words[C.maxParts]) : minusInfinity();
  float weight = exp2Approx(max - maxOverWarp(max));
  float total = sumOverLanes(lane < parts ? weight * __uint_as_float(words[C.maxParts + 1]) : 0);
  float value = 0;
#pragma unroll
  for (int i = 0; i < C.maxParts; ++i) {
    float w = __shfl_sync(~0u, weight, i);
    if (i < parts)
      value += w * __uint_as_float(words[i]);
  }
  value /= total;
  float next = __shfl_down_sync(~0u, value, 1);
  int word = (head * C.headDim + column) / 2;
  if (lane % 2 == 0) {
    storeRelaxed(exchange.at(C.attendedAt()) + word, presentPair(toBf16Pair(value, next)));
    storeRelaxed(exchange.stale(C.attendedAt()) + word, 0);
  }
}

} // namespace sinter::cuda
