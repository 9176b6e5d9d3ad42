// SPDX-License-Identifier: Apache-2.0
// The launch plan of a compiled model, as the generated plan.cpp states it and the runtime runs it. Plain constant
// data.
#pragma once
#include "runtime/abi/CudaPlan.h"
#include "runtime/abi/Kernel.h"

namespace sinter::rt {

/// Where a kernel's buffer lies.
enum class ArgKind : uint8_t {
  Weight,  ///< offset into the weights
  Value,   ///< offset into the activation arena
  KvLayer, ///< offset is the layer; points at the layer's pool: [block][Plan::kvBlockBytes]
  Logits,  ///< float32 [S, vocab], the step's result
};

struct Arg {
  ArgKind kind;
  uint64_t offset;
};

struct Launch {
  KernelFn kernel;
  const char *op;         ///< the IR op it serves, printed: "%2 = rms_norm %0, @model.norm.weight : f32[T, 576]"
  const char *kernelName; ///< "k02_rms_norm", the emitted file's stem
  const Arg *args;
  int32_t numArgs;
  int32_t layer;       ///< -1 outside any layer
  double bytes, flops; ///< a step's fixed traffic (weights) and work per token, for the roofline tables
};

/// The launches of steps of at most `maxTokens` tokens; buckets are sorted by it.
struct Bucket {
  int32_t maxTokens;
  const Launch *launches;
  int32_t numLaunches;
};

/// What a stretch of the weights is.
enum class WeightFill : uint8_t {
  Stored,  ///< bytes of the payload's section "weights"
  Uniform, ///< random around 0 (runtime/abi/RandomWeights.h)
  Ones,    ///< random around 1
};

enum class WeightElement : uint8_t { F32, F16, BF16 };

/// A stretch of the weights of a model that was compiled with random ones.
struct WeightRegion {
  uint64_t offset, size; ///< bytes; multiples of the element's. Bytes between regions are zero
  WeightFill fill;
  WeightElement element; ///< of a random region
  uint64_t source;       ///< of a Stored one: offset in the payload's section
};

struct Plan {
  const char *model;       ///< the name usage and /v1/models speak of
  const char *target;      ///< "cpu:x86-64-v4+vnni+bf16", "cuda:sm_90a"
  const char *cpuFeatures; ///< what the machine must have, as /proc/cpuinfo names it: "avx512f avx512_vnni"
  int32_t vocabSize, numLayers, hiddenSize;
  int32_t maxSeqLen;     ///< positions a sequence may have (rope tables end here)
  int32_t maxStepTokens; ///< T at most; the arena is planned for it
  int32_t maxSeqs;       ///< sequences in a step at most
  int32_t maxStepLogits; ///< S at most
  int32_t kvBlockTokens; ///< tokens in a KV block
  uint64_t kvBlockBytes; ///< K and V of a block, one layer
  uint64_t arenaBytes;   ///< activations of the largest step
  uint64_t scratchBytes; ///< private scratch of each thread
  uint64_t weightsBytes;
  const WeightRegion *weightRegions; ///< ascending; null: the payload's section "weights" is all of the weights
  int32_t numWeightRegions;
  uint64_t weightSeed;   ///< of random regions
  const Bucket *buckets; ///< of a CPU plan
  int32_t numBuckets;
  const CudaPlan *cuda; ///< of a CUDA plan; null on the CPU

  /// KV blocks of a sequence of maxSeqLen.
  constexpr int32_t maxSeqBlocks() const { return maxSeqLen / kvBlockTokens + (maxSeqLen % kvBlockTokens != 0); }
};

} // namespace sinter::rt

/// Defined by the generated plan.cpp, referenced by the runtime's main.
extern "C" const sinter::rt::Plan sinterPlan;
