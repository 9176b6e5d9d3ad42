// SPDX-License-Identifier: Apache-2.0
// What the warps of a resident decode step share: where weights, caches and the exchange lie, and who does what.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/decode_step_config.h"
#include "templates/cuda/decode_step_schedule.h"
#include "templates/cuda/decode_step_wait.cuh"
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// A layer's constants; the table of them lies in global memory, and a copy of it in shared memory.
struct StepLayer {
  const char *weight[4]; ///< in order of StepOp
  const float *qNorm, *kNorm;
  u16 *pool;
};

/// The pointers of a step. Arguments: 0 table of StepLayer [layers], 1 embedding table, 2 rope table, 3 exchange, 4 the
/// last layer's output bf16 [hidden].
struct StepPointers {
  const StepLayer *layers;
  const u16 *embedding;
  const float *rope;
  u32 *exchange, *out;
};

template <int N>
__device__ __forceinline__ StepPointers pointersOf(const rt::CudaArgs<N> &a) {
  return {a.template get<const StepLayer>(0), a.template get<const u16>(1), a.template get<const float>(2),
          a.template get<u32>(3), a.template get<u32>(4)};
}

/// Computed by the compiler.
template <DecodeStepConfig C>
__device__ const StepSchedule<C.sms> stepSchedule = scheduleOf<C>();

template <DecodeStepConfig C>
__device__ __forceinline__ StepRange rangeOf(int op) {
  return stepSchedule<C>.range[blockIdx.x][op];
}

/// Chunks of a tile.
template <DecodeStepConfig C>
__device__ __forceinline__ int stepChunks(int op) {
  return op == int(StepOp::O)      ? C.chunks(StepOp::O)
         : op == int(StepOp::Down) ? C.chunks(StepOp::Down)
                                   : C.chunks(StepOp::Qkv);
}

/// The exchange as a layer sees it.
template <DecodeStepConfig C>
struct StepExchange {
  u32 *base;
  int layer;
  int replica = int(blockIdx.x) % C.replicas; ///< that this SM reads

  __device__ __forceinline__ u32 *at(int offset) const { return base + layer % C.buffers() * C.bufferWords() + offset; }
  /// The same in this SM's replica.
  __device__ __forceinline__ const u32 *read(int offset) const { return at(offset) + replica * C.replicaWords(); }
  /// What is cleared while this layer's is written: the place of the layer two before, which everyone has read, and
  /// which is written again in two layers at the earliest.
  __device__ __forceinline__ u32 *stale(int offset) const {
    return base + (layer + C.buffers() - 2) % C.buffers() * C.bufferWords() + offset;
  }
  /// The layer's input, in this SM's replica.
  __device__ __forceinline__ const u32 *in() const {
    if (layer == 0)
      return base + C.embeddedAt() + replica * (C.hidden / 2);
    return base + (layer - 1) % C.buffers() * C.bufferWords() + C.outAt() + replica * C.replicaWords();
  }
};

/// How attention is shared: blocks of all heads, head after head, over as many SMs as have any.
template <DecodeStepConfig C>
struct StepUnits {
  int blocks, sms, units; ///< of a head; SMs with units; of all heads

  __device__ __forceinline__ explicit StepUnits(int length)
      : blocks(ceilDiv(length, kvBlockTokens)), units(blocks * C.kvHeads) {
    sms = units < C.attentionSms() ? units : C.attentionSms();
  }
  __device__ __forceinline__ int begin(int sm) const { return sm < sms ? sm * units / sms : units; }
  __device__ __forceinline__ int owner(int unit) const { return ((unit + 1) * sms - 1) / units; }
};

} // namespace sinter::cuda
