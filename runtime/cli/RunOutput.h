// SPDX-License-Identifier: Apache-2.0
// How answers of `run` reach the user: streamed, listed, or as JSON, always in the order of the prompts.
#pragma once
#include "runtime/engine/Request.h"
#include <iosfwd>
#include <map>
#include <string>

namespace sinter::rt {

/// One request as JSON on one line: token_ids, text (null without a tokenizer), finish_reason, prompt_tokens, logprobs
/// (where asked for), timings {queue, prefill, decode, time_to_first_token} in seconds; "error" where it failed.
std::string toJson(const Completion &completion, bool hasText);

/// "5,7,9"
std::string joinIds(std::span<const int32_t> ids);

/// Completions come as they finish and go out in the order of their index.
class RunOutput {
public:
  enum class Style {
    Stream, ///< one request: text (or ids) as it comes
    List,   ///< several: each answer after a line with its prompt
    Json,   ///< one object a line
  };
  RunOutput(std::ostream &out, Style style, bool hasText) : out(out), style(style), hasText(hasText) {}

  void token(const TokenEvent &event);
  /// `prompt` is what a list shows it by.
  void finish(size_t index, const std::string &prompt, const Completion &completion);

  /// The error of the first request, in order, that failed inside; empty if none did.
  const std::string &error() const { return firstError; }

private:
  std::string render(const std::string &prompt, const Completion &completion) const;
  std::ostream &out;
  Style style;
  bool hasText;
  size_t next = 0;                       ///< the index to go out next
  std::map<size_t, std::string> waiting; ///< finished before their turn
  std::string firstError;
};

} // namespace sinter::rt
