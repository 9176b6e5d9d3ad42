// SPDX-License-Identifier: Apache-2.0
// What a caller hands to the engine, and what it gets back: per token while it runs, and once when it is finished.
#pragma once
#include "runtime/engine/SamplingParams.h"
#include "runtime/engine/StreamDecoder.h"
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sinter::rt {

using RequestId = uint64_t;

struct TokenLogprob {
  int32_t token;
  float logprob; ///< natural logarithm, of the model's own distribution: before bias, penalties and temperature
};

struct TokenLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top; ///< most likely first, equal ones by token id
};

enum class FinishReason : uint8_t { None, Stop, Length, Cancelled, Error };
constexpr size_t kNumFinishReasons = 5;

/// "stop", "length", "cancelled", "error"; "" for None.
const char *name(FinishReason reason);

/// Seconds. A phase that was never reached is 0.
struct Timings {
  double queue = 0;            ///< from submit to the first step it is part of
  double prefill = 0;          ///< from there to its first token (to its end, if it generates none)
  double decode = 0;           ///< from the first token to the end
  double timeToFirstToken = 0; ///< from submit
  double total = 0;            ///< from submit to the end
};

/// One generated token; borrowed for the call.
struct TokenEvent {
  RequestId id;
  int32_t index; ///< 0 for the first token of the output
  int32_t token;
  std::string_view text;         ///< text that is final by now; may be empty, may be more than this token's
  const TokenLogprobs *logprobs; ///< null unless asked for
};

/// The whole of a finished request.
struct Completion {
  RequestId id = 0;
  FinishReason reason = FinishReason::None;
  std::string error;                   ///< for FinishReason::Error
  std::vector<int32_t> tokens;         ///< the output, a stop token included
  std::string text;                    ///< all events' text; without the stop token's, the stop string or what follows
  std::string stopString;              ///< the one that ended it, if one did
  std::vector<TokenLogprobs> logprobs; ///< one a token, if asked for
  int32_t promptTokens = 0;
  int32_t cachedTokens = 0; ///< of the prompt, found in the KV cache when it was first scheduled
  int32_t preemptions = 0;
  Timings timings;
};

/// Callbacks come from within Engine::step() and may call submit() and cancel().
struct Request {
  std::vector<int32_t> prompt; ///< at least one token
  SamplingParams sampling;
  int32_t maxTokens = 16; ///< 0 computes the prompt only
  bool ignoreEos = false; ///< go on after EngineOptions::eosTokens; stopTokens still stop
  std::vector<int32_t> stopTokens;
  std::vector<std::string> stopStrings;   ///< need a decoder
  std::unique_ptr<StreamDecoder> decoder; ///< null: no text, token ids only

  /// Set: called with the logits [vocab] of every position of prompt and output from `logitsFrom` on, once and in
  /// order. The prompt is then computed in full, without the prefix cache.
  std::function<void(int32_t position, std::span<const float> logits)> onLogits;
  int32_t logitsFrom = 0; ///< a position of the prompt
  int32_t maxChunk = 0;   ///< prompt tokens a step at most, 0: what the budget allows. 1 takes the prompt one by one
  int32_t chunkFrom = 0;  ///< the position from which maxChunk holds; no step goes across it

  std::function<void(const TokenEvent &)> onToken;
  std::function<void(const Completion &)> onFinish;
};

} // namespace sinter::rt
