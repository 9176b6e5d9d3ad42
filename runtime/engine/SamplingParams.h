// SPDX-License-Identifier: Apache-2.0
// How a request chooses its next token. Plain data, checked once at submit; Sampler.h says in which order it is
// applied.
#pragma once
#include "runtime/support/Error.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace sinter::rt {

struct LogitBias {
  int32_t token;
  float bias;
};

/// The defaults choose greedily from the unchanged logits.
struct SamplingParams {
  float temperature = 0;       ///< 0 is greedy; otherwise logits are divided by it
  int32_t topK = 0;            ///< keep the K most likely tokens; 0 is off
  float topP = 1;              ///< keep the smallest most likely set with at least this mass, in (0, 1]; 1 is off
  float minP = 0;              ///< keep tokens at least this likely relative to the most likely, in [0, 1]; 0 is off
  float repetitionPenalty = 1; ///< over prompt and output, as Hugging Face (CTRL, arXiv 1909.05858); 1 is off
  float presencePenalty = 0;   ///< subtracted once from every token of the output, as OpenAI, in [-2, 2]
  float frequencyPenalty = 0;  ///< subtracted per occurrence in the output, as OpenAI, in [-2, 2]
  std::vector<LogitBias> logitBias = {};          ///< added to the logits before everything else
  std::optional<uint64_t> seed = std::nullopt;    ///< equal seeds give equal draws, whatever else is in the batch
  std::optional<int32_t> logprobs = std::nullopt; ///< report the K most likely and the chosen one, K >= 0

  /// Draws need no random number: the most likely token is taken.
  bool greedy() const { return temperature < 1e-5f; }
  bool penalizes() const { return repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0; }
  /// The logits change before the choice, so that they must be copied.
  bool editsLogits() const { return penalizes() || !logitBias.empty(); }
};

/// Nothing, or which value is out of range, with the value and the range.
Result<void> validate(const SamplingParams &params, int32_t vocabSize);

} // namespace sinter::rt
