// SPDX-License-Identifier: Apache-2.0
// Cuts a normalized text into the words that merging stays within: regexes, each applied to what the one before left.
#pragma once
#include "runtime/support/Error.h"
#include "runtime/text/Regex.h"
#include "runtime/text/TokenizerData.h"
#include <functional>
#include <string_view>
#include <vector>

namespace sinter::rt {

class PreTokenizer {
public:
  /// Compiles the regexes; an error names the one that PCRE2 refuses.
  static Result<PreTokenizer> create(const std::vector<SplitStep> &steps);

  /// Calls `word` for every non-empty word of `text` (valid UTF-8), in order. A word may lie outside of `text` (a
  /// prefix space); it is valid during the call.
  void split(std::string_view text, Regex::Scratch &scratch, const std::function<void(std::string_view)> &word) const;

private:
  struct Step {
    SplitStep rule;
    Regex regex;
  };

  void apply(size_t step, std::string_view text, Regex::Scratch &scratch,
             const std::function<void(std::string_view)> &word) const;

  std::vector<Step> steps;
};

} // namespace sinter::rt
