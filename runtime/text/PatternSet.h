// SPDX-License-Identifier: Apache-2.0
// A set of strings that answers "which is the longest one this text starts with": a sorted list used as a trie, walked
// by narrowing a range of it byte by byte.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::rt {

class PatternSet {
public:
  struct Pattern {
    std::string text;
    int32_t value;
  };

  PatternSet() = default;
  /// Empty patterns are left out; of equal ones, the first stays.
  explicit PatternSet(std::vector<Pattern> list);

  bool empty() const { return patterns.empty(); }

  /// The longest pattern that `text` starts with, or null. Takes time in the length of that pattern.
  const Pattern *longestAt(std::string_view text) const;

private:
  std::vector<Pattern> patterns;
  std::array<uint32_t, 257> firstByte{}; ///< patterns that start with byte b: [firstByte[b], firstByte[b + 1])
};

} // namespace sinter::rt
