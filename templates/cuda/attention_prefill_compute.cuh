// SPDX-License-Identifier: Apache-2.0
// The computing side of prefill attention on sm_90a: a warpgroup's 64 query rows of a tile, scores, softmax and output
// all in registers. The scores of a step are asked for before the output of the step before, so that the tensor cores
// have work while the softmax runs.
#pragma once
#include "templates/cuda/attention_prefill_load.cuh"
#include "templates/cuda/attention_prefill_softmax.cuh"
#include "templates/cuda/layout.h"
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/matrix.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/ptx/wgmma.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

/// One warpgroup. All functions by all its threads.
template <AttentionPrefillConfig C>
class PrefillWarpgroup {
  PrefillShared<C> shared;
  int group, warp, lane; // warp: in the warpgroup
  RingPlace<C.stages> keysPlace, valuesPlace;
  u32 queriesParity = 0;

  PrefillTile tile;
  int row;      // the lane's first, in the tile
  int steps;    // of the tile
  int ownSteps; // that these 64 rows look at
  U32x4 queries[C.headDim / 16];
  float scores[C.keys / 2];
  U32x4 exponentials[C.keys / 16];
  float output[C.headDim / 2];
  PrefillRows state;

  __device__ void release(u32 barrier) {
    __syncwarp();
    if (lane == 0)
      barrierArrive(barrier);
  }
  // Warpgroup g may issue its products when g - 1 has issued those of the same step.
  __device__ void takeTurn() {
    if constexpr (C.inTurns)
      namedBarrier(1 + group, 256);
  }
  __device__ void passTurn() {
    if constexpr (C.inTurns)
      namedBarrierArrive(1 + (group + 1) % C.warpgroups, 256);
  }

  __device__ void issueScores() {
    u64 keys = wgmmaOperand(shared.keys(keysPlace.slot) >> 4);
    pinRegisters(scores);
    wgmmaFence();
#pragma unroll
    for (int i = 0; i < C.headDim / 16; ++i)
      wgmma<0>(scores, queries[i], keys + (i / 4 * (C.keys * atomColumns * 2) + i % 4 * 32) / 16, i != 0);
    wgmmaCommit();
  }

  __device__ void issueOutput() {
    u64 values = wgmmaOperand(shared.values(valuesPlace.slot) >> 4, kvBlockTokens * atomColumns * 2);
    pinRegisters(output);
    wgmmaFence();
#pragma unroll
    for (int i = 0; i < C.keys / 16; ++i)
      wgmma<1>(output, exponentials[i], values + (i / 4 * kvHeadBytes(C.headDim) + i % 4 * 2 * atomBytes) / 16, true);
    wgmmaCommit();
  }

  __device__ void releaseKeys() {
    release(shared.keysEmpty(keysPlace.slot));
    keysPlace.advance();
  }
  __device__ void releaseValues() {
    release(shared.valuesEmpty(valuesPlace.slot));
    valuesPlace.advance();
  }
  __device__ void waitForKeys() { barrierWait(shared.keysFull(keysPlace.slot), keysPlace.parity); }
  __device__ void waitForValues() { barrierWait(shared.valuesFull(valuesPlace.slot), valuesPlace.parity); }

  /// Turns the scores of step `step` into exponentials; what was summed before is to be multiplied by `factors`.
  __device__ void softmax(int step, float (&factors)[2]) {
    int seen = tile.firstPosition + 1 - step * C.keys; // keys of this step that row 0 of the tile may look at
    if (seen + group * 64 + warp * 16 < C.keys) {
      int visible[2] = {seen + min(row, tile.rows - 1), seen + min(row + 8, tile.rows - 1)};
      maskScores(scores, visible, lane);
    }
    addToSoftmax(scores, state, factors, C.scale * log2OfE);
  }

  __device__ void compute() {
    float factors[2];
    waitForKeys();
    issueScores();
    wgmmaWait<0>();
    pinRegisters(scores);
    releaseKeys();
    softmax(0, factors);
    packExponentials(scores, exponentials);
#pragma unroll 1
    for (int step = 1; step < ownSteps; ++step) {
      waitForKeys();
      takeTurn();
      issueScores();
      waitForValues();
      issueOutput();
      passTurn();
      wgmmaWait<1>();
      pinRegisters(scores);
      releaseKeys();
      softmax(step, factors);
      wgmmaWait<0>();
      pinRegisters(output);
      releaseValues();
      scaleRows(output, factors);
      packExponentials(scores, exponentials);
    }
    waitForValues();
    issueOutput();
    wgmmaWait<0>();
    pinRegisters(output);
    releaseValues();
    for (int step = ownSteps; step < steps; ++step) { // only other warpgroups look at these
      takeTurn();
      passTurn();
      waitForKeys();
      releaseKeys();
      waitForValues();
      releaseValues();
    }
  }

  /// False: there are no more tiles.
  __device__ bool start() {
    barrierWait(shared.queriesFull(), queriesParity);
    queriesParity ^= 1;
    U32x4 a = loadShared(shared.tile()), b = loadShared(shared.tile() + 16);
    tile = {int(b.y), int(a.x), int(a.y), int(a.z), int(a.w), int(b.x)};
    if (!tile.rows)
      return false;
    int first = group * 64 + warp * 16, matrixRow = first + lane % 16;
    u32 from = shared.queries() + matrixRow * (atomColumns * 2) + (lane / 16 ^ matrixRow % 8) * 16;
#pragma unroll
    for (int i = 0; i < C.headDim / 16; ++i)
      queries[i] = loadMatrices((from ^ i % 4 * 32) + i / 4 * (C.rows() * atomColumns * 2));
    barrierArrive(shared.queriesEmpty()); // every lane: racecheck does not see that one may speak for its warp
    row = first + lane / 4;
    steps = ceilDiv(tile.blocks(), C.stepBlocks());
    ownSteps = group * 64 < tile.rows ? (tile.firstPosition + min(group * 64 + 63, tile.rows - 1)) / C.keys + 1 : 1;
    state = {};
#pragma unroll
    for (int i = 0; i < C.headDim / 2; ++i)
      output[i] = 0;
    return true;
  }

public:
  __device__ PrefillWarpgroup(PrefillShared<C> shared, int group)
      : shared(shared), group(group), warp(int(threadIdx.x) / 32 % 4), lane(int(threadIdx.x) % 32) {}

  __device__ void run(u16 *out) {
    constexpr int stride = C.heads * C.headDim;
    if (group == C.warpgroups - 1)
      passTurn(); // the first turn is the first warpgroup's
    while (start()) {
      compute();
      storeRows(output, state, out + (long long)tile.firstRow * stride + tile.head * C.headDim, stride, row, tile.rows,
                lane);
    }
    if (group == 0)
      takeTurn(); // which the last one passed
  }
};

} // namespace sinter::cuda
