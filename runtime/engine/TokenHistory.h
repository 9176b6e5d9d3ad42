// SPDX-License-Identifier: Apache-2.0
// Which tokens a sequence has seen and how often: what the repetition, presence and frequency penalties are made of.
#pragma once
#include "runtime/engine/SamplingParams.h"
#include <span>

namespace sinter::rt {

class TokenHistory {
public:
  struct Entry {
    int32_t token;
    int32_t outputCount; ///< how often it is in the output; 0: only in the prompt
  };

  void addPrompt(std::span<const int32_t> tokens);
  void addOutput(int32_t token);

  /// Hugging Face's repetition penalty on every token seen (positive logits are divided by it, negative ones
  /// multiplied), then OpenAI's frequency and presence penalties on those of the output.
  void penalize(std::span<float> logits, const SamplingParams &params) const;

  /// Sorted by token, each once.
  std::span<const Entry> entries() const { return seen; }

private:
  std::vector<Entry> seen;
};

} // namespace sinter::rt
