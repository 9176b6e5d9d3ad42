// SPDX-License-Identifier: Apache-2.0
// Tokens that an executor chooses on the host.
#pragma once
#include "runtime/device/Executor.h"
#include "runtime/engine/Sampler.h"

namespace sinter::rt {

/// As StepResult::tokens has it: -1 for a row that wants none, or whose `logits` [vocab] are not finite.
inline int32_t chooseToken(Sampler &sampler, const SampleRow &row, std::span<const float> logits) {
  static const TokenHistory none;
  if (!row.params)
    return -1;
  return sampler.sample({logits, *row.params, row.history ? *row.history : none, row.seed, row.index}).value_or(-1);
}

/// A row that outlives the call that brought it.
class KeptSampleRow {
public:
  /// `place`: among the step's rows. `from` wants a token.
  KeptSampleRow(size_t place, const SampleRow &from)
      : place(place), params(*from.params), history(from.history ? *from.history : TokenHistory()), seed(from.seed),
        index(from.index) {}
  SampleRow row() const { return {.params = &params, .history = &history, .seed = seed, .index = index}; }

  size_t place;

private:
  SamplingParams params;
  TokenHistory history;
  uint64_t seed, index;
};

} // namespace sinter::rt
