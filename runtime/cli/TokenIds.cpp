// SPDX-License-Identifier: Apache-2.0
// One scanner for both forms: brackets may stand around a list.
#include "runtime/cli/TokenIds.h"
#include <charconv>

namespace sinter::rt {

Result<std::vector<int32_t>> parseTokenIds(std::string_view text, const std::string &origin, int32_t vocabSize) {
  constexpr std::string_view blanks = " \t\r\n";
  auto trim = [&] {
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    text.remove_suffix(text.size() - (text.find_last_not_of(blanks) + 1));
  };
  trim();
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
    trim();
  }
  std::vector<int32_t> ids;
  while (!text.empty()) {
    int32_t id = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    size_t length = std::min(text.find_first_of(" \t\r\n,"), text.size());
    std::string word(text.substr(0, length));
    if (error != std::errc() || end != text.data() + length)
      return fail(origin + ": token id " + std::to_string(ids.size() + 1) + ": expected a number, found '" + word +
                  "'");
    if (id < 0 || id >= vocabSize)
      return fail(origin + ": token id " + std::to_string(ids.size() + 1) + " is " + word +
                  ", the vocabulary has ids 0 to " + std::to_string(vocabSize - 1));
    ids.push_back(id);
    text.remove_prefix(length);
    trim();
    if (text.starts_with(',')) {
      text.remove_prefix(1);
      trim();
      if (text.empty())
        return fail(origin + ": expected a token id after the last comma");
    }
  }
  if (ids.empty())
    return fail(origin + ": expected at least one token id");
  return ids;
}

} // namespace sinter::rt
