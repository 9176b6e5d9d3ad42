// SPDX-License-Identifier: Apache-2.0
// The finishing warps of a resident step: from partial sums of a tile to activations in the exchange.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/decode_step_consume.cuh"
#include "templates/cuda/math.cuh"

namespace sinter::cuda {

template <DecodeStepConfig C>
struct StepFinisher {
  u32 shared; ///< address
  StepSums<C> sums;
  int warp, lane; ///< warp: among the finishers

  __device__ __forceinline__ static float sumOfFour(u32 address) {
    U32x4 v = loadShared(address);
    return (__uint_as_float(v.x) + __uint_as_float(v.y)) + (__uint_as_float(v.z) + __uint_as_float(v.w));
  }

  /// The sum of row lane % 16 over all warps, once it is there.
  __device__ __forceinline__ float tileSum() {
    barrierWaitBounded(sums.full(warp), sums.parity(warp));
    float sum = sumOfFour(shared + C.sumsAt() + (warp * C.sumWords + lane % 16 * C.warps + lane / 16 * 4) * 4);
    sum += __shfl_xor_sync(~0u, sum, 16);
    barrierArriveWarp(sums.empty(warp), lane);
    sums.advance(warp);
    return sum;
  }

  /// The factor of the norm of an operation's activations, once their squares are there. `parity`: of the norms since
  /// the first of the step.
  __device__ __forceinline__ float factor(u32 parity) const {
    barrierWaitBounded(sums.squaresFull(), parity);
    u32 at = shared + C.squaresAt() + lane * 16;
    float squares = sumOfFour(at) + sumOfFour(at + 512);
    barrierArriveWarp(sums.squaresEmpty(), lane);
    return normFactor(sumOverLanes(squares), C.hidden, C.eps);
  }
};

/// Where the output of an operation goes, in words of a tile.
template <DecodeStepConfig C>
__device__ __forceinline__ int stepPlace(int op) {
  return op == int(StepOp::Qkv)    ? C.qkvAt()
         : op == int(StepOp::O)    ? C.middleAt()
         : op == int(StepOp::Down) ? C.outAt()
                                   : C.innerAt();
}

/// The tiles of an operation that fall to this warp.
template <DecodeStepConfig C>
__device__ __forceinline__ void finishTiles(StepFinisher<C> &self, const StepExchange<C> &exchange, int op,
                                            const StepPointers &p) {
  StepRange range = rangeOf<C>(op);
  bool adds = op == int(StepOp::O) || op == int(StepOp::Down), gated = op == int(StepOp::GateUp);
  bool last = op == int(StepOp::Down) && exchange.layer == C.layers - 1;
  const u32 *residual = op == int(StepOp::O) ? exchange.in() : exchange.at(C.middleAt());
  u32 *to = exchange.at(stepPlace<C>(op)), *stale = exchange.stale(stepPlace<C>(op));
  int words = gated ? 4 : 8, lane = self.lane;
  float factor = adds ? 1 : self.factor(gated);
#pragma unroll 1
  for (int i = self.warp; i < range.count; i += C.finishers) {
    int tile = range.begin + i;
    u32 pair[1] = {0};
    if (adds)
      pollWords<1>(pair, [&](int) { return residual + tile * 8 + lane % 16 / 2; });
    float sum = self.tileSum() * factor;
    if (adds)
      sum += lane % 2 ? highBf16(pair[0]) : lowBf16(pair[0]);
    if (gated)
      sum = silu(sum) * __shfl_down_sync(~0u, sum, 8);
    u32 both = toBf16Pair(sum, __shfl_down_sync(~0u, sum, 1));
    if (lane < 2 * words && lane % 2 == 0) {
      storeRelaxed(to + tile * words + lane / 2, presentPair(both));
      if (last)
        p.out[tile * words + lane / 2] = both;
    }
    if (lane >= 16 && lane < 16 + words)
      storeRelaxed(stale + tile * words + lane - 16, 0);
  }
}

} // namespace sinter::cuda
