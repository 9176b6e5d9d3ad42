// SPDX-License-Identifier: Apache-2.0
// A request on its way through the engine: its tokens, its blocks of the KV cache, how far it is computed.
#pragma once
#include "runtime/engine/BlockManager.h"
#include "runtime/engine/Request.h"
#include "runtime/engine/StopStrings.h"
#include "runtime/engine/TokenHistory.h"
#include <chrono>

namespace sinter::rt {

///   Waiting ──> Running ──> Finished
///                │   ▲
///                ▼   │
///              Preempted          (and Finished from everywhere, when cancelled)
enum class SequenceState : uint8_t { Waiting, Running, Preempted, Finished };

struct Sequence {
  using Clock = std::chrono::steady_clock;

  /// `maxLength` bounds prompt and output together.
  Sequence(RequestId id, Request request, int32_t maxLength, uint64_t seed);

  const RequestId id;
  Request request;
  SequenceState state = SequenceState::Waiting;
  std::vector<int32_t> tokens; ///< prompt, then output
  const int32_t promptLength;
  const int32_t maxLength; ///< of `tokens`: finished with Length when reached
  const uint64_t seed;

  BlockTable table;
  int32_t numComputed = 0; ///< tokens whose keys and values are in the cache once the steps in flight have run
  int32_t numInFlight = 0; ///< steps that it is part of, started and not finished
  int32_t numPending = 0;  ///< tokens that these choose: they follow `tokens`, and are not known yet
  int32_t pendingRow = 0;  ///< of the last of these, among its step's rows of logits
  int32_t nextLogits = 0;  ///< the next position for Request::onLogits; not back after a preemption
  bool cancelRequested = false;
  bool scheduledBefore = false;

  TokenHistory history; ///< filled only when a penalty is on
  StopStrings stops;
  Completion completion; ///< grows as the sequence runs
  Clock::time_point arrival, firstScheduled, firstToken;

  bool wantsAllLogits() const { return static_cast<bool>(request.onLogits); }
  /// Logits, not only tokens chosen from them.
  bool wantsLogits() const { return wantsAllLogits() || request.sampling.logprobs; }
  /// The host has to see what a step chose for it before it can be part of the next.
  bool needsHost() const { return wantsLogits() || request.sampling.editsLogits(); }
  /// Tokens from `position` on that its own limit allows in a step.
  int32_t chunkAt(int32_t position) const {
    return position < request.chunkFrom ? request.chunkFrom - position : request.maxChunk;
  }
  int32_t length() const { return static_cast<int32_t>(tokens.size()); }
  int32_t numOutput() const { return length() - promptLength; }
  int32_t plannedLength() const { return length() + numPending; }
  /// Tokens, known or pending, that are not computed yet: 1 while decoding, more in prefill and after a preemption.
  int32_t remaining() const { return plannedLength() - numComputed; }
  /// The last pending token ends it, whatever it is.
  bool endsWhenKnown() const {
    return numPending > 0 && (numOutput() + numPending >= request.maxTokens || plannedLength() >= maxLength);
  }

  /// A token is chosen: appends it with its text and tells Request::onToken. `ended` is the reason to end here, if
  /// there is one besides stop strings; returns the reason to end, or None.
  FinishReason append(int32_t token, const TokenLogprobs *logprobs, FinishReason ended);
  /// Fills in what is left of the completion, and tells Request::onFinish.
  void finish(FinishReason reason, Clock::time_point now);

private:
  std::string decode(int32_t token, FinishReason ended);
};

} // namespace sinter::rt
