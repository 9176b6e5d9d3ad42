// SPDX-License-Identifier: Apache-2.0
// Cutting a text at added tokens, with the strip and single-word rules of Hugging Face `tokenizers`.
#include "runtime/text/AddedTokens.h"
#include "runtime/text/CharacterClass.h"
#include <algorithm>

namespace sinter::rt {

namespace {

/// Where the white space that ends `text` begins.
size_t spaceAtEnd(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t begin = previousCharacter(text, end);
    if (!isWhiteSpace(utf8::decode(text.substr(begin)).codePoint))
      break;
    end = begin;
  }
  return end;
}

/// Bytes of white space that `text` starts with.
size_t spaceAtStart(std::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    utf8::Decoded step = utf8::decode(text.substr(size));
    if (!isWhiteSpace(step.codePoint))
      break;
    size += step.size;
  }
  return size;
}

bool touchesWord(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && isWordCharacter(utf8::decode(text.substr(previousCharacter(text, begin))).codePoint))
    return true;
  return end < text.size() && isWordCharacter(utf8::decode(text.substr(end)).codePoint);
}

} // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> list, const Normalizer &normalizer) : tokens(std::move(list)) {
  std::vector<PatternSet::Pattern> rawList, normalizedList, contentList;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const AddedToken &token = tokens[i];
    auto index = static_cast<int32_t>(i);
    contentList.push_back({token.content, index});
    if (token.normalized)
      normalizedList.push_back({normalizer.normalize(token.content), index});
    else
      rawList.push_back({token.content, index});
  }
  raw = PatternSet(std::move(rawList));
  normalized = PatternSet(std::move(normalizedList));
  contents = PatternSet(std::move(contentList));
}

std::vector<AddedTokens::Segment> AddedTokens::split(std::string_view text, Pass pass, bool parseSpecial) const {
  const PatternSet &set = pass == Pass::Raw ? raw : normalized;
  std::vector<Segment> segments;
  size_t textBegin = 0; // of the stretch that no token has taken yet
  for (size_t at = 0; !set.empty() && at < text.size();) {
    const PatternSet::Pattern *pattern = set.longestAt(text.substr(at));
    if (!pattern) {
      ++at;
      continue;
    }
    const AddedToken &token = tokens[pattern->value];
    size_t begin = at, end = at + pattern->text.size();
    at = end;
    if ((token.special && !parseSpecial) || (token.singleWord && touchesWord(text, begin, end)))
      continue;
    if (token.leftStrip)
      begin = std::max(textBegin, spaceAtEnd(text.substr(0, begin)));
    if (token.rightStrip)
      end += spaceAtStart(text.substr(end));
    if (textBegin < begin)
      segments.push_back({text.substr(textBegin, begin - textBegin), -1});
    segments.push_back({text.substr(begin, end - begin), token.id});
    textBegin = end;
  }
  if (textBegin < text.size())
    segments.push_back({text.substr(textBegin), -1});
  return segments;
}

bool AddedTokens::isSpecial(int32_t id) const {
  auto token = std::lower_bound(tokens.begin(), tokens.end(), id,
                                [](const AddedToken &candidate, int32_t wanted) { return candidate.id < wanted; });
  return token != tokens.end() && token->id == id && token->special;
}

std::optional<int32_t> AddedTokens::find(std::string_view content) const {
  const PatternSet::Pattern *pattern = contents.longestAt(content);
  if (!pattern || pattern->text.size() != content.size())
    return std::nullopt;
  return tokens[pattern->value].id;
}

} // namespace sinter::rt
