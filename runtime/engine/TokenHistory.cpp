// SPDX-License-Identifier: Apache-2.0
// Penalties from the tokens seen so far.
#include "runtime/engine/TokenHistory.h"
#include <algorithm>

namespace sinter::rt {

void TokenHistory::addPrompt(std::span<const int32_t> tokens) {
  std::vector<int32_t> sorted(tokens.begin(), tokens.end());
  std::ranges::sort(sorted);
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  seen.clear();
  for (int32_t token : sorted)
    seen.push_back({token, 0});
}

void TokenHistory::addOutput(int32_t token) {
  auto place = std::ranges::lower_bound(seen, token, {}, &Entry::token);
  if (place == seen.end() || place->token != token)
    place = seen.insert(place, {token, 0});
  ++place->outputCount;
}

void TokenHistory::penalize(std::span<float> logits, const SamplingParams &params) const {
  for (const Entry &entry : seen) {
    float &logit = logits[entry.token];
    logit = logit > 0 ? logit / params.repetitionPenalty : logit * params.repetitionPenalty;
    if (entry.outputCount > 0)
      logit -= params.frequencyPenalty * static_cast<float>(entry.outputCount) + params.presencePenalty;
  }
}

} // namespace sinter::rt
