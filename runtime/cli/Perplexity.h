// SPDX-License-Identifier: Apache-2.0
// Perplexity of a text: exp of the mean negative log-likelihood of its tokens, each given the tokens before it.
//
// A text longer than the context is cut into windows of `context` tokens that start every `stride` tokens. The first
// window scores all of its tokens but the first; each later one scores only the tokens that no window before it held,
// so that every token but the first is scored once, with at least context - stride tokens before it (where the text has
// them). This is the sliding window of https://huggingface.co/docs/transformers/perplexity. With stride = context the
// windows are disjoint, and the first token of each, which has nothing before it, is not scored.
#pragma once
#include "runtime/engine/Engine.h"

namespace sinter::rt {

struct PerplexityWindow {
  size_t begin, end;  ///< tokens of the text
  size_t firstScored; ///< the first of them that this window scores, given all before it in the window
};

/// `context` >= 2, 1 <= stride <= context.
std::vector<PerplexityWindow> perplexityWindows(size_t numTokens, size_t context, size_t stride);

struct Perplexity {
  int64_t tokens = 0; ///< scored
  double nll = 0;     ///< their sum, in nats
  double perplexity() const;
};

/// Runs all windows through the engine; `advance(n)` is told of every n tokens computed.
Result<Perplexity> computePerplexity(Engine &engine, std::span<const int32_t> tokens, size_t context, size_t stride,
                                     const std::function<void(int64_t)> &advance);

} // namespace sinter::rt
