// SPDX-License-Identifier: Apache-2.0
// Flags that several commands share, declared once.
#pragma once
#include "runtime/cli/Model.h"
#include "runtime/engine/Engine.h"

namespace CLI {
class App;
}

namespace sinter::rt {

/// --threads, --kv-memory, --mmap, --gpu, --check-kernels
void addDeviceFlags(CLI::App &command, DeviceFlags &flags);

/// How answers are generated: run and chat.
struct GenerationFlags {
  int32_t maxTokens = 512;
  std::optional<float> temperature, topP; ///< unset: the model's own default
  std::optional<int32_t> topK;
  float minP = 0, repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0;
  std::vector<std::string> logitBias; ///< "ID:BIAS"
  std::optional<uint64_t> seed;
  bool ignoreEos = false;
  std::vector<std::string> stopStrings;
  std::string system, chatTemplate;
};
void addGenerationFlags(CLI::App &command, GenerationFlags &flags);

/// The flags over the model's defaults, checked against the vocabulary.
Result<SamplingParams> samplingParams(const GenerationFlags &flags, const Model &model);

/// The engine as run and chat want it: the model's stop tokens, and another seed every time for requests without one.
EngineOptions engineOptions(const Model &model);

/// A request with everything the flags say; the prompt and the callbacks are left to the caller. With text (a decoder)
/// if the model has a tokenizer.
Result<Request> makeRequest(const GenerationFlags &flags, Model &model, const SamplingParams &sampling);

} // namespace sinter::rt
