// SPDX-License-Identifier: Apache-2.0
// The loading warp of a resident step: all weights and keys that this SM needs, in the order of use, through one
// ring. It runs ahead as far as the ring is deep, across operations and layers.
#pragma once
#include "templates/cuda/decode_step_state.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

template <DecodeStepConfig C>
using StepRing = Ring<C.slots, C.chunkBytes>;

/// RingWriter with bounded waits.
template <DecodeStepConfig C>
struct StepWriter {
  StepRing<C> ring;
  RingPlace<C.slots> next{0, 1}, landed{};
  int inFlight = 0;

  __device__ __forceinline__ void push(const char *source, u64 policy) {
    barrierWaitBounded(ring.empty(next.slot), next.parity);
    if (inFlight == C.outstanding) {
      barrierWaitBounded(ring.full(landed.slot), landed.parity);
      landed.advance();
    } else {
      ++inFlight;
    }
    barrierArriveExpect(ring.full(next.slot), C.chunkBytes);
    bulkCopy(ring.slot(next.slot), source, C.chunkBytes, ring.full(next.slot), policy);
    next.advance();
  }
  /// Chunks that follow each other.
  __device__ __forceinline__ void push(const char *source, int chunks, u64 policy) {
#pragma unroll 1
    for (; chunks > 0; --chunks, source += C.chunkBytes)
      push(source, policy);
  }
};

/// Keys and values of this SM's units, one layer. Blocks of a head are in order.
template <DecodeStepConfig C>
struct StepKeys {
  int begin = 0, end = 0, blocks = 1;

  __device__ __forceinline__ void find(const rt::CudaStep &step) {
    StepUnits<C> units(loadL2(step.contextLengths));
    begin = units.begin(int(blockIdx.x));
    end = units.begin(int(blockIdx.x) + 1);
    blocks = units.blocks;
  }
  __device__ __forceinline__ void load(StepWriter<C> &writer, const rt::CudaStep &step, const u16 *pool,
                                       u64 policy) const {
#pragma unroll 1
    for (int unit = begin, head = begin / blocks, block = begin % blocks; unit < end; ++unit) {
      long long place = (long long)loadL2(step.blockTable + block) * C.kvHeads + head;
      writer.push(reinterpret_cast<const char *>(pool) + place * (2 * kvHeadBytes(C.headDim)), C.unitSlots(), policy);
      if (++block == blocks)
        block = 0, ++head;
    }
  }
};

/// By one thread.
template <DecodeStepConfig C>
__device__ void loadStep(const rt::CudaStep &step, const StepPointers &p, const StepLayer *layers, StepRing<C> ring) {
  StepWriter<C> writer{ring};
  StepKeys<C> keys;
  u64 policy = evictFirstPolicy();
#pragma unroll 1
  for (int layer = 0; layer < C.layers; ++layer)
#pragma unroll 1
    for (int op = 0; op < stepOps; ++op) {
      StepRange range = rangeOf<C>(op);
      int chunks = stepChunks<C>(op);
      writer.push(layers[layer].weight[op] + (long long)range.begin * chunks * C.chunkBytes, range.count * chunks,
                  policy);
      if (op > 0)
        continue;
      if (layer == 0) {
        waitForPrerequisites();
        keys.find(step);
      }
      keys.load(writer, step, layers[layer].pool, policy);
    }
}

} // namespace sinter::cuda
