// SPDX-License-Identifier: Apache-2.0
// The one interface between the engine and a device: run a step, hand back logits.
#pragma once
#include "runtime/abi/Kernel.h"
#include "runtime/support/Error.h"
#include <span>

namespace sinter::rt {

/// Limits that the scheduler plans with; all fixed at compile time but the number of KV blocks.
struct ExecutorLimits {
  int32_t vocabSize, maxSeqLen, maxStepTokens, maxSeqs, maxStepLogits;
  int32_t kvBlockTokens; ///< tokens in a KV block
  int32_t numKvBlocks;   ///< blocks in the pool of every layer
};

class Executor {
public:
  virtual ~Executor() = default;
  virtual const ExecutorLimits &limits() const = 0;
  /// Runs one step: appends its tokens' keys and values to the KV cache and returns float32 logits [S, vocab], valid
  /// until the next call.
  virtual std::span<const float> run(const Step &step) = 0;
};

} // namespace sinter::rt
