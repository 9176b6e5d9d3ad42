// SPDX-License-Identifier: Apache-2.0
// Longest-prefix search in a sorted list of strings.
#include "runtime/text/PatternSet.h"
#include <algorithm>

namespace sinter::rt {

PatternSet::PatternSet(std::vector<Pattern> list) : patterns(std::move(list)) {
  std::erase_if(patterns, [](const Pattern &pattern) { return pattern.text.empty(); });
  std::stable_sort(patterns.begin(), patterns.end(),
                   [](const Pattern &a, const Pattern &b) { return a.text < b.text; });
  auto same = [](const Pattern &a, const Pattern &b) { return a.text == b.text; };
  patterns.erase(std::unique(patterns.begin(), patterns.end(), same), patterns.end());
  for (const Pattern &pattern : patterns)
    ++firstByte[static_cast<uint8_t>(pattern.text[0]) + 1];
  for (size_t byte = 0; byte < 256; ++byte)
    firstByte[byte + 1] += firstByte[byte];
}

const PatternSet::Pattern *PatternSet::longestAt(std::string_view text) const {
  if (text.empty())
    return nullptr;
  auto first = static_cast<uint8_t>(text[0]);
  auto begin = patterns.begin() + firstByte[first], end = patterns.begin() + firstByte[first + 1];
  const Pattern *longest = nullptr;
  // All of [begin, end) start with text[0, depth); the one that ends there, if any, sorts first.
  for (size_t depth = 1; begin != end; ++depth) {
    if (begin->text.size() == depth)
      longest = &*begin++;
    if (depth == text.size())
      break;
    auto byte = static_cast<uint8_t>(text[depth]);
    auto at = [depth](const Pattern &pattern) { return static_cast<uint8_t>(pattern.text[depth]); };
    begin = std::partition_point(begin, end, [&](const Pattern &pattern) { return at(pattern) < byte; });
    end = std::partition_point(begin, end, [&](const Pattern &pattern) { return at(pattern) == byte; });
  }
  return longest;
}

} // namespace sinter::rt
