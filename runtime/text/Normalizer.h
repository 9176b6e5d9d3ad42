// SPDX-License-Identifier: Apache-2.0
// The normalizer of a tokenizer: Unicode normal forms (utf8proc), a prefix, literal replacements, in order.
#pragma once
#include "runtime/text/TokenizerData.h"
#include <string>
#include <string_view>
#include <vector>

namespace sinter::rt {

class Normalizer {
public:
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps(std::move(steps)) {}

  bool empty() const { return steps.empty(); }

  /// `text` is valid UTF-8, and so is the result. An empty text stays empty.
  std::string normalize(std::string_view text) const;

private:
  std::vector<NormalizerStep> steps;
};

/// `text` (valid UTF-8) in one of the Unicode normal forms; `form` is not Prepend or Replace.
std::string toNormalForm(std::string_view text, NormalizerKind form);

/// `text` with every `pattern` (not empty), from the left, replaced.
std::string replaceAll(std::string_view text, std::string_view pattern, std::string_view replacement);

} // namespace sinter::rt
