// SPDX-License-Identifier: Apache-2.0
// The finishing warps of a resident step: from partial sums of a tile to activations in the exchange.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/decode_step_consume.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/warp.cuh"

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

  /// The sums of rows 2 (lane % 8) and the next of this warp's tile of the round over all warps, once they are there.
  __device__ __forceinline__ void tileSums(float (&sum)[2]) const {
    u32 at = shared + C.sumsAt() + sums.offset(warp) + lane % 8 * 32;
    keepInRegister(at);
    barrierWaitBounded(sums.full(), sums.round.parity);
    sum[0] = sumOfFour(at) + sumOfFour(at + 256);
    sum[1] = sumOfFour(at + 16) + sumOfFour(at + 256 + 16);
  }
  /// Gives the round back.
  __device__ __forceinline__ void release() {
    barrierArrive(sums.empty());
    sums.round.advance();
  }

  /// The factor of the norm of an operation's activations, once their squares are there. `parity`: of the norms since
  /// the first of the step.
  __device__ __forceinline__ float factor(u32 parity) const {
    barrierWaitBounded(sums.squaresFull(), parity);
    u32 at = shared + C.squaresAt() + lane * 16;
    float squares = sumOfFour(at) + sumOfFour(at + 512);
    barrierArrive(sums.squaresEmpty());
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

/// An operation as those see it who finish its tiles.
template <DecodeStepConfig C>
struct StepFinish {
  bool adds, gated, last; ///< adds a residual; gates; is the last of the step
  const u32 *residual;
  u32 *to, *stale;

  __device__ __forceinline__ StepFinish(const StepExchange<C> &exchange, int op)
      : adds(op == int(StepOp::O) || op == int(StepOp::Down)), gated(op == int(StepOp::GateUp)),
        last(op == int(StepOp::Down) && exchange.layer == C.layers - 1),
        residual(op == int(StepOp::O) ? exchange.in() : exchange.read(C.middleAt())), to(exchange.at(stepPlace<C>(op))),
        stale(exchange.stale(stepPlace<C>(op))) {}

  /// Two neighbours of a tile's output from the sums of their rows. `pair`: of the residual.
  __device__ __forceinline__ u32 output(float (&sum)[2], float factor, u32 pair) const {
    sum[0] *= factor, sum[1] *= factor;
    if (adds)
      sum[0] += lowBf16(pair), sum[1] += highBf16(pair);
    if (gated) {
      float up[2] = {__shfl_xor_sync(~0u, sum[0], 4), __shfl_xor_sync(~0u, sum[1], 4)};
      sum[0] = silu(sum[0]) * up[0], sum[1] = silu(sum[1]) * up[1];
    }
    return toBf16Pair(sum[0], sum[1]);
  }
};

/// The tiles of an operation that fall to this warp. Every eight lanes have a tile's words for a replica; where gates
/// meet what they gate, four of them.
template <DecodeStepConfig C>
__device__ __forceinline__ void finishTiles(StepFinisher<C> &self, const StepExchange<C> &exchange, int op,
                                            const StepPointers &p) {
  StepRange range = rangeOf<C>(op);
  StepFinish<C> finish(exchange, op);
  int word = self.lane % 8, replica = self.lane / 8, words = finish.gated ? 4 : 8;
  bool wanted = word < words && replica < (op == int(StepOp::Qkv) ? 1 : C.replicas);
  float factor = finish.adds ? 1 : self.factor(finish.gated);
#pragma unroll 1
  for (int first = 0; first < range.count; first += C.finishers) {
    int tile = range.begin + first + self.warp, place = tile * words + word + replica * C.replicaWords();
    bool mine = first + self.warp < range.count, stores = mine && wanted;
    u32 *to = finish.to + place, pair[1] = {0};
    if (stores)
      storeRelaxed(finish.stale + place, 0);
    if (finish.adds && mine)
      pollWords<1>(pair, [&](int) { return finish.residual + tile * 8 + word; });
    keepInRegister(to);
    float sum[2]; // of nothing, where the round has no tile for this warp
    self.tileSums(sum);
    u32 both = finish.output(sum, factor, pair[0]);
    if (stores)
      storeRelaxed(to, presentPair(both));
    self.release();
    if (stores && finish.last && replica == 0)
      p.out[place] = both;
  }
}

} // namespace sinter::cuda
