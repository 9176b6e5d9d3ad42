// SPDX-License-Identifier: Apache-2.0
// The ranges of sampling parameters.
#include "runtime/engine/SamplingParams.h"
#include <cmath>
#include <cstdio>

namespace sinter::rt {

namespace {

/// "temperature is -1, expected 0 or more"
std::string outOfRange(const char *what, double value, const char *expected) {
  char text[160];
  snprintf(text, sizeof text, "%s is %g, expected %s", what, value, expected);
  return text;
}

Result<void> checkBias(const std::vector<LogitBias> &biases, int32_t vocabSize) {
  for (const LogitBias &bias : biases) {
    if (bias.token < 0 || bias.token >= vocabSize)
      return fail("logit bias names token " + std::to_string(bias.token) + ", expected 0 to " +
                  std::to_string(vocabSize - 1));
    if (std::isnan(bias.bias) || bias.bias == INFINITY)
      return fail(outOfRange("logit bias", bias.bias, "a finite number or -inf"));
  }
  return {};
}

} // namespace

// Every condition is written so that NaN fails it.
Result<void> validate(const SamplingParams &params, int32_t vocabSize) {
  if (!(params.temperature >= 0 && params.temperature < INFINITY))
    return fail(outOfRange("temperature", params.temperature, "0 or more"));
  if (params.topK < 0)
    return fail(outOfRange("top-k", params.topK, "0 (off) or more"));
  if (!(params.topP > 0 && params.topP <= 1))
    return fail(outOfRange("top-p", params.topP, "more than 0 and at most 1"));
  if (!(params.minP >= 0 && params.minP <= 1))
    return fail(outOfRange("min-p", params.minP, "0 to 1"));
  if (!(params.repetitionPenalty > 0 && params.repetitionPenalty < INFINITY))
    return fail(outOfRange("repetition penalty", params.repetitionPenalty, "more than 0"));
  if (!(std::fabs(params.presencePenalty) <= 2))
    return fail(outOfRange("presence penalty", params.presencePenalty, "-2 to 2"));
  if (!(std::fabs(params.frequencyPenalty) <= 2))
    return fail(outOfRange("frequency penalty", params.frequencyPenalty, "-2 to 2"));
  if (params.logprobs && (*params.logprobs < 0 || *params.logprobs > vocabSize))
    return fail("logprobs is " + std::to_string(*params.logprobs) + ", expected 0 to the vocabulary's " +
                std::to_string(vocabSize));
  return checkBias(params.logitBias, vocabSize);
}

} // namespace sinter::rt
