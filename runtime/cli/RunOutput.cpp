// SPDX-License-Identifier: Apache-2.0
// Rendering of completions.
#include "runtime/cli/RunOutput.h"
#include <boost/json.hpp>
#include <charconv>
#include <iterator>
#include <ostream>

namespace sinter::rt {
namespace {

namespace json = boost::json;

/// The double with the same shortest decimal: -0.1f becomes -0.1 and not -0.10000000149.
double shortest(float value) {
  char buffer[32];
  double wide = value;
  auto end = std::to_chars(buffer, std::end(buffer), value);
  std::from_chars(buffer, end.ptr, wide);
  return wide;
}

json::object toJson(const TokenLogprob &entry) {
  return {{"token_id", entry.token}, {"logprob", shortest(entry.logprob)}};
}

json::array toJson(const std::vector<TokenLogprobs> &logprobs) {
  json::array tokens;
  for (const TokenLogprobs &token : logprobs) {
    json::object entry = toJson(token.chosen);
    json::array &top = entry["top"].emplace_array();
    for (const TokenLogprob &other : token.top)
      top.push_back(toJson(other));
    tokens.push_back(std::move(entry));
  }
  return tokens;
}

} // namespace

std::string toJson(const Completion &completion, bool hasText) {
  const Timings &timings = completion.timings;
  json::object object{{"token_ids", json::value_from(completion.tokens)}, {"text", nullptr},
                      {"finish_reason", name(completion.reason)},         {"prompt_tokens", completion.promptTokens},
                      {"cached_tokens", completion.cachedTokens},         {"preemptions", completion.preemptions}};
  if (hasText)
    object["text"] = completion.text;
  if (!completion.logprobs.empty())
    object["logprobs"] = toJson(completion.logprobs);
  object["timings"] = {{"queue", timings.queue},
                       {"prefill", timings.prefill},
                       {"decode", timings.decode},
                       {"time_to_first_token", timings.timeToFirstToken}};
  if (!completion.error.empty())
    object["error"] = completion.error;
  return json::serialize(object);
}

std::string joinIds(std::span<const int32_t> ids) {
  std::string text;
  for (int32_t id : ids)
    text += (text.empty() ? "" : ",") + std::to_string(id);
  return text;
}

void RunOutput::token(const TokenEvent &event) {
  if (style != Style::Stream)
    return;
  if (hasText)
    out << event.text << std::flush;
  else
    out << (event.index ? "," : "") << event.token << std::flush;
}

std::string RunOutput::render(const std::string &prompt, const Completion &completion) const {
  switch (style) {
  case Style::Stream:
    return "\n";
  case Style::List:
    return "> " + prompt + "\n" + (hasText ? completion.text : joinIds(completion.tokens)) + "\n\n";
  case Style::Json:
    return toJson(completion, hasText) + "\n";
  }
  return {};
}

void RunOutput::finish(size_t index, const std::string &prompt, const Completion &completion) {
  if (completion.reason == FinishReason::Error && firstError.empty())
    firstError = completion.error;
  waiting[index] = render(prompt, completion);
  for (auto first = waiting.begin(); first != waiting.end() && first->first == next;
       first = waiting.erase(first), ++next)
    out << first->second << std::flush;
}

} // namespace sinter::rt
