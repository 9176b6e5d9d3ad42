// SPDX-License-Identifier: Apache-2.0
// Chooses the next token of a sequence from its logits.
//
// In this order, as vLLM does it:
//   1. logit bias is added
//   2. repetition penalty (Hugging Face: over prompt and output), then frequency and presence penalties (OpenAI: over
//   output)
//   3. temperature 0: the largest logit, the smallest id of equal ones; done
//   4. logits / temperature
//   5. min-p: tokens at least minP times as likely as the most likely stay
//   6. top-k: of these the K most likely stay, equal ones by token id
//   7. top-p: of these, renormalised, the smallest most likely set with a mass of at least topP stays; at least one
//   token
//   8. one draw from what is left, renormalised, with Philox(seed, index of the token in the output)
// 5 to 7 each keep a prefix of the tokens sorted by likelihood, so only as much of that prefix is made as is needed.
//
// The draw takes the first token at which the running sum of the likelihoods of what is left, in this order, exceeds
// the random number's share of all:
//   - min-p, top-k and top-p are off: by token id
//   - min-p alone, or top-p without top-k where the 256 most likely are too few: as LogitsRow::atLeast() gives them
//   - else: the most likely first
#pragma once
#include "runtime/engine/Logits.h"
#include "runtime/engine/SamplingParams.h"
#include "runtime/engine/TokenHistory.h"

namespace sinter::rt {

struct SampleInput {
  std::span<const float> logits; ///< [vocab]
  const SamplingParams &params;
  const TokenHistory &history; ///< read only when a penalty is on
  uint64_t seed;
  uint64_t index; ///< of the token in the output
};

/// Not for several threads at once: it keeps its buffers.
class Sampler {
public:
  /// The token; an error when the logits are NaN or infinite where a choice depends on it.
  Result<int32_t> sample(const SampleInput &input);

private:
  int32_t choose(const SampleInput &input);
  void keepMostLikely(const SamplingParams &params, float scale);
  void keepTopP(double mass, float scale, float bound);
  double weigh(float scale);
  bool keepMass(double mass);
  void cutBetween(double mass, float high);
  int32_t drawKept(double random) const;

  LogitsRow row;
  std::vector<float> edited;
  std::vector<Candidate> kept; ///< what is left of the distribution to draw from
  std::vector<double> weights; ///< of `kept`
  struct Weighed {
    Candidate candidate;
    double weight;
  };
  std::vector<Weighed> border; ///< part of `kept`, to be sorted
};

} // namespace sinter::rt
