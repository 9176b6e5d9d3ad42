// SPDX-License-Identifier: Apache-2.0
// The logits of given tokens, as one request of an engine computes them.
#pragma once
#include "runtime/engine/Engine.h"
#include <string>

namespace sinter::rt {

struct EvalLogitsOptions {
  std::string path;
  /// Tokens that are computed as a prompt, without the logits of any but the last of them; 0: logits of every position.
  int32_t from = 0;
  bool decode = false; ///< compute the others one a step
  int32_t beside = 0;  ///< random requests in the same steps
};

/// Writes `path`, safetensors with float32 "logits": a row for every position from max(from, 1) - 1 on.
Result<void> writeLogits(const EvalLogitsOptions &options, std::vector<int32_t> tokens, Engine &engine,
                         int32_t vocabSize);

} // namespace sinter::rt
