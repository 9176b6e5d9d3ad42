// SPDX-License-Identifier: Apache-2.0
// The one interface between the engine and a device: start a step, and later get the tokens that it has chosen.
#pragma once
#include "runtime/abi/Plan.h"
#include "runtime/engine/SamplingParams.h"
#include "runtime/engine/TokenHistory.h"
#include "runtime/support/Error.h"
#include <cassert>
#include <span>

namespace sinter::rt {

/// Limits that the scheduler plans with; all fixed at compile time but the number of KV blocks.
struct ExecutorLimits {
  int32_t vocabSize, maxSeqLen, maxStepTokens, maxSeqs, maxStepLogits;
  int32_t kvBlockTokens; ///< tokens in a KV block
  int32_t numKvBlocks;   ///< blocks in the pool of every layer

  static ExecutorLimits of(const Plan &plan, int32_t numKvBlocks) {
    return {plan.vocabSize,     plan.maxSeqLen,     plan.maxStepTokens, plan.maxSeqs,
            plan.maxStepLogits, plan.kvBlockTokens, numKvBlocks};
  }
  /// Asserts that a caller keeps to them.
  void check(const Step &step, size_t sampleRows) const {
    assert(step.numTokens > 0 && step.numTokens <= maxStepTokens && "tokens of a step");
    assert(step.numSeqs <= maxSeqs && step.numLogits <= maxStepLogits && "sequences or logits of a step");
    assert(sampleRows == static_cast<size_t>(step.numLogits) && "a row for each of the logits");
  }
};

/// How a row of logits becomes a token.
struct SampleRow {
  const SamplingParams *params = nullptr; ///< null: this row's token is not wanted
  const TokenHistory *history = nullptr;  ///< read only when a penalty is on
  uint64_t seed = 0;
  uint64_t index = 0; ///< of the token in the output
};

/// What a step has come to. Valid until the next call of finish().
struct StepResult {
  std::span<const int32_t> tokens; ///< [S]; -1 where none was wanted, or where the logits are not finite
  std::span<const float> logits; ///< [S, vocab], the model's own, when they were asked for or cost nothing, else empty
};

class Executor {
public:
  virtual ~Executor() = default;
  virtual const ExecutorLimits &limits() const = 0;
  /// Steps that may be started before the first of them is finished: 1, or 2 on a device of its own.
  virtual int32_t depth() const = 0;
  /// Starts a step; steps run in the order in which they are started. It appends its tokens' keys and values to the KV
  /// cache and chooses a token for every row of `rows` [S] that wants one. An entry of Step::tokens below 0 stands for
  /// a token that the step before has chosen and that nobody has seen yet: that of its row ~token; not of a row whose
  /// parameters edit logits in a step that wants logits. The arguments are borrowed until start() returns. Nothing is
  /// started by a call that fails.
  virtual Result<void> start(const Step &step, std::span<const SampleRow> rows, bool wantLogits) = 0;
  /// Waits for the oldest step that is started and not finished.
  virtual Result<StepResult> finish() = 0;
};

} // namespace sinter::rt
