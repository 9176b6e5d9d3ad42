// SPDX-License-Identifier: Apache-2.0
// Requests of random tokens and lengths: company for what is measured, and load to try an engine with.
#pragma once
#include "runtime/engine/Engine.h"
#include <random>

namespace sinter::rt {

/// A number of 1 to `most`; small ones are as likely as large ones (its logarithm is uniform).
int32_t randomLength(std::mt19937 &random, int32_t most);

/// A prompt of random tokens, of 1 to `longestPrompt`, and an answer of 1 to `longestAnswer`, end of text or not.
Request randomRequest(std::mt19937 &random, int32_t vocabSize, int32_t longestPrompt, int32_t longestAnswer);

/// Keeps as many greedy requests in an engine as it is told: one that ends is followed by another.
class Company {
public:
  /// `engine` outlives it, or what it has sent.
  Company(Engine &engine, int32_t vocabSize) : engine(engine), vocabSize(vocabSize) {}
  Company(const Company &) = delete;

  /// Sends `count` requests and steps the engine until each of them has begun to answer.
  Result<void> gather(int32_t count);
  /// Cancels them all.
  void dismiss();

private:
  void send();

  Engine &engine;
  int32_t vocabSize;
  std::mt19937 random{1};
  std::vector<RequestId> present;
  int32_t answering = 0; ///< requests that have had a token, of all that were ever sent
  bool dismissed = false;
  std::string error;
};

} // namespace sinter::rt
