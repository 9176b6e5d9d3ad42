// SPDX-License-Identifier: Apache-2.0
// The split behaviours of Hugging Face `tokenizers`, over slices of the text.
#include "runtime/text/PreTokenizer.h"

namespace sinter::rt {

namespace {

struct Piece {
  std::string_view text;
  bool separator; ///< what the step splits at
};

/// Joins neighbours into the pieces that `behavior` asks for; `pieces` cover the text in order.
class Joiner {
public:
  Joiner(SplitBehavior behavior, const std::function<void(std::string_view)> &word) : behavior(behavior), word(word) {}

  void add(Piece piece) {
    if (piece.text.empty())
      return;
    if (!pending.empty() && joins(piece)) {
      pending = {pending.data(), pending.size() + piece.text.size()};
    } else {
      flush();
      pending = piece.text;
    }
    lastSeparator = piece.separator;
  }

  void flush() {
    if (!pending.empty() && !(behavior == SplitBehavior::Removed && lastSeparator))
      word(pending);
    pending = {};
  }

private:
  bool joins(const Piece &piece) const {
    switch (behavior) {
    case SplitBehavior::Isolated:
    case SplitBehavior::Removed:
      return false;
    case SplitBehavior::MergedWithPrevious:
      return piece.separator && !lastSeparator;
    case SplitBehavior::MergedWithNext:
      return !piece.separator && lastSeparator;
    case SplitBehavior::Contiguous:
      return piece.separator == lastSeparator;
    }
    return false;
  }

  SplitBehavior behavior;
  const std::function<void(std::string_view)> &word;
  std::string_view pending;
  bool lastSeparator = false;
};

} // namespace

Result<PreTokenizer> PreTokenizer::create(const std::vector<SplitStep> &rules) {
  PreTokenizer preTokenizer;
  for (const SplitStep &rule : rules) {
    Result<Regex> regex = Regex::compile(rule.regex);
    if (!regex)
      return tl::unexpected(regex.error());
    preTokenizer.steps.push_back({rule, std::move(*regex)});
  }
  return preTokenizer;
}

void PreTokenizer::split(std::string_view text, Regex::Scratch &scratch,
                         const std::function<void(std::string_view)> &word) const {
  if (!text.empty())
    apply(0, text, scratch, word);
}

void PreTokenizer::apply(size_t index, std::string_view text, Regex::Scratch &scratch,
                         const std::function<void(std::string_view)> &word) const {
  if (index == steps.size()) {
    word(text);
    return;
  }
  const Step &step = steps[index];
  std::string prefixed;
  if (step.rule.prefixSpace && text[0] != ' ')
    text = prefixed.append(" ").append(text);
  auto rest = [&](std::string_view part) { apply(index + 1, part, scratch, word); };
  if (step.rule.regex.empty()) {
    rest(text);
    return;
  }
  std::function<void(std::string_view)> next = rest;
  Joiner joiner(step.rule.behavior, next);
  size_t from = 0;
  for (size_t at = 0; at <= text.size();) {
    std::optional<Regex::Match> match = step.regex.find(text, at, scratch);
    if (!match)
      break;
    joiner.add({text.substr(from, match->begin - from), step.rule.invert});
    joiner.add({text.substr(match->begin, match->end - match->begin), !step.rule.invert});
    from = match->end;
    // An empty match separates nothing: look for the next one further on.
    at = match->end > match->begin ? match->end : match->end + 1;
    while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80)
      ++at;
  }
  joiner.add({text.substr(from), step.rule.invert});
  joiner.flush();
}

} // namespace sinter::rt
