// SPDX-License-Identifier: Apache-2.0
// The loading warp of a resident step: all weights and keys that this SM needs, in the order of use, through one
// ring. It runs ahead as far as the ring is deep, across operations and layers, and beyond that has weights brought to
// L2.
#pragma once
#include "templates/cuda/decode_step_state.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/clock.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

template <DecodeStepConfig C>
using StepRing = Ring<C.slots, C.chunkBytes>;

/// The weights of this SM, chunk by chunk in the order of use.
template <DecodeStepConfig C>
struct StepStream {
  const StepLayer *layers;
  int layer = 0, op = -1, left = 0; ///< left: chunks of the operation
  const char *at = nullptr;

  /// The next chunk; null behind the last.
  __device__ __forceinline__ const char *next() {
    while (left == 0) {
      if (++op == stepOps)
        op = 0, ++layer;
      if (layer >= C.layers)
        return nullptr;
      StepRange range = rangeOf<C>(op);
      int chunks = stepChunks<C>(op);
      at = layers[layer].weight[op] + (long long)range.begin * chunks * C.chunkBytes;
      left = range.count * chunks;
    }
    const char *chunk = at;
    at += C.chunkBytes;
    --left;
    return chunk;
  }
};

/// Brings weights to L2 while the ring has no room for them, so that memory does not idle while activations are
/// awaited. Nothing tells when such a chunk is there: they are asked for one by one, at the pace at which memory serves
/// an SM.
template <DecodeStepConfig C>
struct StepPrefetch {
  StepStream<C> stream;
  int ahead = 0; ///< chunks that were asked for and not copied yet; C.ahead: that is enough
  u32 last = 0;  ///< when a chunk was last asked for, or copied

  __device__ __forceinline__ void look() {
    if (ahead == C.ahead || clockNow() - last < u32(C.pace))
      return;
    const char *chunk = stream.next();
    if (chunk)
      bulkPrefetch(chunk, C.chunkBytes);
    ahead = chunk ? ahead + 1 : C.ahead;
    last = clockNow();
  }
  /// The next chunk of weights was copied.
  __device__ __forceinline__ void advance() {
    if (ahead > 0)
      --ahead;
    else
      stream.next();
    last = clockNow();
  }
};

/// RingWriter with bounded waits, in which weights are brought to L2.
template <DecodeStepConfig C>
struct StepWriter {
  StepRing<C> ring;
  StepPrefetch<C> prefetch;
  RingPlace<C.slots> next{0, 1}, landed{};
  int inFlight = 0;

  __device__ __forceinline__ void waitForRoom() {
    while (prefetch.ahead < C.ahead && !barrierTestWait(ring.empty(next.slot), next.parity))
      prefetch.look();
    barrierWaitBounded(ring.empty(next.slot), next.parity);
  }
  __device__ __forceinline__ void push(const char *source, u64 policy) {
    waitForRoom();
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
  __device__ __forceinline__ void pushKeys(const char *source, u64 policy) {
#pragma unroll 1
    for (int i = 0; i < C.unitSlots(); ++i)
      push(source + i * C.chunkBytes, policy);
  }
  __device__ __forceinline__ void pushWeights(const char *source, int chunks, u64 policy) {
#pragma unroll 1
    for (; chunks > 0; --chunks, source += C.chunkBytes) {
      push(source, policy);
      if constexpr (C.ahead > 0)
        prefetch.advance();
    }
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
      writer.pushKeys(reinterpret_cast<const char *>(pool) + place * (2 * kvHeadBytes(C.headDim)), policy);
      if (++block == blocks)
        block = 0, ++head;
    }
  }
};

/// By one thread.
template <DecodeStepConfig C>
__device__ void loadStep(const rt::CudaStep &step, const StepPointers &p, const StepLayer *layers, StepRing<C> ring) {
  StepWriter<C> writer{ring, {{layers}}};
  StepKeys<C> keys;
  u64 policy = evictFirstPolicy();
#pragma unroll 1
  for (int layer = 0; layer < C.layers; ++layer)
#pragma unroll 1
    for (int op = 0; op < stepOps; ++op) {
      StepRange range = rangeOf<C>(op);
      int chunks = stepChunks<C>(op);
      writer.pushWeights(layers[layer].weight[op] + (long long)range.begin * chunks * C.chunkBytes,
                         range.count * chunks, policy);
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
