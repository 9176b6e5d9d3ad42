// SPDX-License-Identifier: Apache-2.0
// The layers of a decode step of one sequence as one kernel: a CTA on every SM, each with its tiles of every operation.
//
// Weights stream through one ring that outlives operations (decode_step_load.cuh); eight warps consume them
// (decode_step_tiles.cuh, decode_step_attention.cuh); three finish tiles (decode_step_finish.cuh) and merge heads
// (decode_step_merge.cuh). SMs meet nowhere: activations are waited for word by word (arrival_words.cuh), so all CTAs
// must run at once.
#pragma once
#include "templates/cuda/decode_step_attention.cuh"
#include "templates/cuda/decode_step_finish.cuh"
#include "templates/cuda/decode_step_merge.cuh"
#include "templates/cuda/decode_step_tiles.cuh"
#include "templates/cuda/ptx/launch.cuh"

namespace sinter::cuda {

/// Leaves what consumers need to know of the step in shared memory.
template <DecodeStepConfig C>
__device__ __forceinline__ void shareToken(const rt::CudaStep &step, u32 shared) {
  if (threadIdx.x == 0) {
    u32 length = u32(loadL2(step.contextLengths)), position = u32(loadL2(step.positions));
    StepUnits<C> units{int(length)};
    int begin = units.begin(int(blockIdx.x)), count = units.begin(int(blockIdx.x) + 1) - begin;
    storeShared(shared + C.tokenAt(), U32x4{length, position, u32(loadL2(step.slots)), u32(units.blocks)});
    storeShared(shared + C.tokenAt() + 16, U32x4{u32(begin / units.blocks), u32(begin % units.blocks), u32(count), 0});
  }
  if (threadIdx.x < stepOps)
    storeShared(shared + C.tokenAt() + 32 + threadIdx.x * 4, u32(rangeOf<C>(int(threadIdx.x)).count));
  namedBarrier(1, C.warps * 32);
}

/// Where an operation finds its activations.
template <DecodeStepConfig C>
__device__ __forceinline__ const u32 *stepSource(const StepExchange<C> &exchange, int op) {
  return op == int(StepOp::O)        ? exchange.read(C.attendedAt())
         : op == int(StepOp::GateUp) ? exchange.read(C.middleAt())
         : op == int(StepOp::Down)   ? exchange.read(C.innerAt())
                                     : exchange.in();
}

/// The consuming warps' step.
template <DecodeStepConfig C>
__device__ void consumeStep(const rt::CudaStep &step, const StepPointers &p, const StepLayer *layers,
                            StepConsumer<C> &self) {
  waitForPrerequisites();
  shareToken<C>(step, self.shared);
  StepExchange<C> exchange{p.exchange, 0};
#pragma unroll 1
  for (int i = 0; i < C.layers * stepOps; ++i) {
    int op = i % stepOps;
    exchange.layer = i / stepOps;
    consumeTiles<C>(self, op, stepSource(exchange, op), int(loadSharedWord(self.shared + C.tokenAt() + 32 + op * 4)));
    if (op == int(StepOp::Qkv))
      attendStep<C>(self, exchange, layers[exchange.layer], p.rope);
    if (op == int(StepOp::GateUp) && exchange.layer == 2 && self.warp == 0) // everyone is through the first layer
      for (int block = int(blockIdx.x); block < C.blocks(StepOp::Qkv); block += C.sms)
        for (int r = 0; r < C.replicas; ++r)
          storeRelaxed(p.exchange + C.embeddedAt() + r * (C.hidden / 2) + block * 32 + self.lane, 0);
  }
}

/// Publishes the token's embedding: a block of it by each of the first SMs.
template <DecodeStepConfig C>
__device__ __forceinline__ void embedStep(const rt::CudaStep &step, const StepPointers &p) {
  constexpr int blocks = C.blocks(StepOp::Qkv);
  int lane = int(threadIdx.x) % 32, token = loadL2(step.tokens);
  if (token < 0)
    token = loadL2(step.sampled + ~token);
  token = token >= 0 && token < C.vocab ? token : 0;
  const u16 *row = p.embedding + packedIndex(token, 0, blocks) - atomIndex(token % atomRows, 0);
  for (int block = int(blockIdx.x); block < blocks; block += C.sms) {
    const u32 *from =
        reinterpret_cast<const u32 *>(row + block * (blockBytes / 2) + atomIndex(token % atomRows, lane * 2));
    for (int r = 0; r < C.replicas; ++r)
      storeRelaxed(p.exchange + C.embeddedAt() + r * (C.hidden / 2) + block * 32 + lane, presentPair(*from));
  }
}

/// The finishing warps' step.
template <DecodeStepConfig C>
__device__ void finishStep(const rt::CudaStep &step, const StepPointers &p, StepFinisher<C> &self) {
  constexpr int tasks = C.attention() / 32;
  waitForPrerequisites();
  if (self.warp == 1)
    embedStep<C>(step, p);
  StepUnits<C> units(loadL2(step.contextLengths));
  StepExchange<C> exchange{p.exchange, 0};
#pragma unroll 1
  for (int i = 0; i < C.layers * stepOps; ++i) {
    int op = i % stepOps;
    exchange.layer = i / stepOps;
    finishTiles<C>(self, exchange, op, p);
    if (op == int(StepOp::Qkv))
#pragma unroll 1
      for (int task = int(blockIdx.x) + (C.finishers - 1 - self.warp) * C.sms; task < tasks;
           task += C.finishers * C.sms)
        mergeStep<C>(exchange, units, task);
  }
}

template <DecodeStepConfig C, int N>
__device__ void decodeStep(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  extern __shared__ __align__(1024) char shared[];
  u32 base = sharedAddress(shared);
  StepPointers p = pointersOf(args);
  StepRing<C> ring{base, base + C.barriersAt()};
  StepSums<C> sums{base + u32(C.barriersAt() + 2 * C.slots * 8)};
  StepLayer *layers = reinterpret_cast<StepLayer *>(shared + C.tableAt());
  launchDependents();
  if (threadIdx.x == 0) {
    ring.init(C.warps * 32);
    sums.init();
    barrierInitFence();
  }
  for (int i = int(threadIdx.x); i < C.tableBytes() / 8; i += C.threads())
    reinterpret_cast<u64 *>(layers)[i] = reinterpret_cast<const u64 *>(p.layers)[i];
  __syncthreads();
  int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  if (warp < C.warps) {
    StepConsumer<C> consumer(ring, base, sums, u32(warp), u32(lane));
    consumeStep<C>(step, p, layers, consumer);
  } else if (warp < C.warps + C.finishers) {
    StepFinisher<C> finisher{base, sums, warp - C.warps, lane};
    finishStep<C>(step, p, finisher);
  } else if (lane == 0) {
    loadStep<C>(step, p, layers, ring);
  }
}

} // namespace sinter::cuda
