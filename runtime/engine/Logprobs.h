// SPDX-License-Identifier: Apache-2.0
// The log-probabilities that a request asks for: log-softmax of the logits as the model made them, before whatever
// sampling does to them.
#pragma once
#include "runtime/engine/Logits.h"
#include "runtime/engine/Request.h"

namespace sinter::rt {

/// Keeps its buffers from row to row.
class LogprobReporter {
public:
  /// Of `token` and of the `count` most likely. An error when the logits [vocab] are NaN or infinite.
  Result<TokenLogprobs> report(std::span<const float> logits, int32_t token, int32_t count);

private:
  LogitsRow row;
  std::vector<Candidate> mostLikely;
};

} // namespace sinter::rt
