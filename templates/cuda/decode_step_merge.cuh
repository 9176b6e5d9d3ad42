// SPDX-License-Identifier: Apache-2.0
// From what SMs have found of a head to a row of attention's output: a finishing warp of some SM takes 32 columns of a
// head out of the exchange and merges them.
// Source: Dao, "FlashAttention-2", 2023, algorithm 1
#pragma once
#include "templates/cuda/decode_step_consume.cuh"
#include "templates/cuda/math.cuh"

namespace sinter::cuda {

/// Parts of a head that a lane has: lane (p, c) has columns 4 c to 4 c + 3 of parts p, p + 4 and so on.
template <DecodeStepConfig C>
struct StepParts {
  static constexpr int count = ceilDiv(C.maxParts, 4);
  U32x4 out[count];
  U32x2 sums[count]; ///< maximum, sum of weights

  /// Waits for them. `columns`: where part p has this lane's; `sums`: and where its sums; `parts`: from p on.
  __device__ __forceinline__ void poll(const u32 *columns, const u32 *heads, int parts) {
    constexpr int apart = 4 * 2 * C.partWords();
#pragma unroll
    for (int i = 0; i < count; ++i) {
      out[i] = i * 4 < parts ? U32x4{} : presentZeros<4>();
      sums[i] = i * 4 < parts ? U32x2{} : U32x2{__float_as_uint(-1e30f), 1};
    }
    bool missing = true;
#pragma unroll 1
    for (u32 looked = 0; missing; ++looked) {
#pragma unroll
      for (int i = 0; i < count; ++i) {
        loadRelaxedIf(absent(sums[i]), sums[i], heads + i * apart);
        loadRelaxedIf(absent(out[i]), out[i], columns + i * apart);
      }
      missing = false;
#pragma unroll
      for (int i = 0; i < count; ++i)
        missing |= absent(sums[i]) | absent(out[i]);
      missing = __any_sync(~0u, missing);
      giveUp(looked);
    }
  }

  /// This lane's columns of all parts of its head.
  __device__ __forceinline__ void merge(float (&columns)[4]) const {
    float most = __uint_as_float(sums[0].x);
#pragma unroll
    for (int i = 1; i < count; ++i)
      most = fmaxf(most, __uint_as_float(sums[i].x));
    most = fmaxf(most, __shfl_xor_sync(~0u, most, 8));
    most = fmaxf(most, __shfl_xor_sync(~0u, most, 16));
    float all[5] = {}; // the columns, and the sum of weights
#pragma unroll
    for (int i = 0; i < count; ++i) {
      float weight = exp2Approx(__uint_as_float(sums[i].x) - most), one[4];
      toFloats(one, out[i]);
#pragma unroll
      for (int j = 0; j < 4; ++j)
        all[j] += weight * one[j];
      all[4] += weight * __uint_as_float(sums[i].y);
    }
#pragma unroll
    for (int offset = 8; offset < 32; offset *= 2)
#pragma unroll
      for (int j = 0; j < 5; ++j)
        all[j] += __shfl_xor_sync(~0u, all[j], offset);
    float scale = 1 / all[4];
#pragma unroll
    for (int j = 0; j < 4; ++j)
      columns[j] = all[j] * scale;
  }
};

/// Merges 32 columns of a head over all SMs that have a part of it, and publishes them. `task`: which; by one warp.
template <DecodeStepConfig C>
__device__ __forceinline__ void mergeStep(const StepExchange<C> &exchange, const StepUnits<C> &units, int task) {
  constexpr int perHead = C.headDim / 32;
  int lane = int(threadIdx.x) % 32, head = task / perHead, column = task % perHead * 32 + lane % 8 * 4;
  int kvHead = head / C.group(), row = head % C.group();
  int unit = kvHead * units.blocks, first = units.owner(unit), parts = units.owner(unit + units.blocks - 1) - first + 1;
  // An SM has one head or two that follow each other.
  const u32 *from = exchange.at(C.partsAt()) + ((first + lane / 8) * 2 + kvHead % 2) * C.partWords();
  StepParts<C> found;
  found.poll(from + row * C.headDim + column, from + C.group() * C.headDim + row * 2, parts - lane / 8);
  float columns[4];
  found.merge(columns);
  int word = (head * C.headDim + column) / 2;
  static_assert(C.replicas == 4); // eight lanes each, which all have the columns
  word += lane / 8 * C.replicaWords();
  storeRelaxed(exchange.at(C.attendedAt()) + word,
               U32x2{presentPair(toBf16Pair(columns[0], columns[1])), presentPair(toBf16Pair(columns[2], columns[3]))});
  storeRelaxed(exchange.stale(C.attendedAt()) + word, U32x2{});
}

} // namespace sinter::cuda
