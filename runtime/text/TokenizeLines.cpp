// SPDX-License-Identifier: Apache-2.0
// `tokenize --jsonl`: reads one JSON value a line, with the line's number in every error.
#include "runtime/text/TokenizeLines.h"
#include "runtime/text/JsonLine.h"

namespace sinter::rt {

namespace {

Result<std::string> convert(const Tokenizer &tokenizer, std::string_view line, const TokenizeOptions &options) {
  if (!options.decode)
    return parseJsonString(line).map(
        [&](const std::string &text) { return toJson(tokenizer.encode(text, options.encode)); });
  Result<std::vector<int32_t>> ids = parseJsonIds(line);
  if (!ids)
    return tl::unexpected(ids.error());
  for (int32_t id : *ids)
    if (id >= tokenizer.vocabSize())
      return fail("token id " + std::to_string(id) + " is outside the vocabulary of " +
                  std::to_string(tokenizer.vocabSize()));
  return toJson(tokenizer.decode(*ids, options.skipSpecial));
}

} // namespace

Result<void> tokenizeLines(const Tokenizer &tokenizer, std::istream &in, std::ostream &out,
                           const TokenizeOptions &options) {
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    Result<std::string> result = convert(tokenizer, line, options);
    if (!result)
      return fail("line " + std::to_string(number) + ": " + result.error().message);
    out << *result << '\n';
  }
  return {};
}

} // namespace sinter::rt
