// SPDX-License-Identifier: Apache-2.0
// Which tokens a sequence has seen and how often: what the repetition, presence and frequency penalties are made of.
#pragma once
#include "runtime/engine/SamplingParams.h"
#include <span>

namespace sinter::rt {

class TokenHistory {
public:
  void addPrompt(std::span<const int32_t> tokens);
  void addOutput(int32_t token);

  /// Hugging Face's repetition penalty on every token seen (positive logits are divided by it, negative ones
  /// multiplied), then OpenAI's frequency and presence penalties on those of the output.
  void penalize(std::span<float> logits, const SamplingParams &params) const;

private:
  struct Entry {
    int32_t token;
    int32_t outputCount;
  };
  std::vector<Entry> seen; ///< sorted by token, each once
};

} // namespace sinter::rt
