// SPDX-License-Identifier: Apache-2.0
// Encoding: added tokens are cut out, the rest is normalized, cut at the added tokens that are matched there, cut into
// words, and merged. The order of Hugging Face `tokenizers`.
#include "runtime/text/Tokenizer.h"
#include "runtime/text/Detokenizer.h"
#include "runtime/text/Utf8.h"

namespace sinter::rt {

namespace {

constexpr std::string_view spaceSymbol = "\xE2\x96\x81"; // U+2581, a space in SentencePiece's pieces

PatternSet userDefinedPieces(const TokenizerImage &image) {
  std::vector<PatternSet::Pattern> list;
  if (image.rules().model == TokenizerModel::SentencePieceBpe)
    for (int32_t id = 0; id < image.numPieces(); ++id)
      if (image.type(id) == PieceType::UserDefined)
        list.push_back({std::string(image.piece(id)), id});
  return PatternSet(std::move(list));
}

} // namespace

struct Tokenizer::Work {
  BpeMerger merger;
  Regex::Scratch scratch;
  std::vector<int32_t> ids;
};

Tokenizer::Tokenizer(TokenizerImage parsed, Normalizer steps, PreTokenizer splitter)
    : image(std::move(parsed)), normalizer(std::move(steps)), preTokenizer(std::move(splitter)),
      added(image.rules().addedTokens, normalizer), userDefined(userDefinedPieces(image)) {}

Result<Tokenizer> Tokenizer::load(std::span<const uint8_t> bytes) {
  Result<TokenizerImage> image = TokenizerImage::parse(bytes);
  if (!image)
    return tl::unexpected(image.error());
  Result<PreTokenizer> preTokenizer = PreTokenizer::create(image->rules().splits);
  if (!preTokenizer)
    return tl::unexpected(preTokenizer.error());
  Normalizer normalizer(image->rules().normalizers);
  return Tokenizer(std::move(*image), std::move(normalizer), std::move(*preTokenizer));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::string repaired;
  if (!utf8::isValid(text))
    text = repaired = utf8::toValid(text);
  Work work{BpeMerger(image, userDefined), {}, {}};
  if (options.addSpecial)
    work.ids = rules().prefixIds;
  for (const AddedTokens::Segment &segment : added.split(text, AddedTokens::Pass::Raw, options.parseSpecial)) {
    if (segment.id >= 0)
      work.ids.push_back(segment.id);
    else
      encodeSegment(segment.text, options.parseSpecial, work);
  }
  if (options.addSpecial)
    work.ids.insert(work.ids.end(), rules().suffixIds.begin(), rules().suffixIds.end());
  return std::move(work.ids);
}

void Tokenizer::encodeSegment(std::string_view segment, bool parseSpecial, Work &work) const {
  std::string normal;
  if (!normalizer.empty())
    segment = normal = normalizer.normalize(segment);
  for (const AddedTokens::Segment &part : added.split(segment, AddedTokens::Pass::Normalized, parseSpecial)) {
    if (part.id >= 0)
      work.ids.push_back(part.id);
    else
      encodeText(part.text, work);
  }
}

void Tokenizer::encodeText(std::string_view text, Work &work) const {
  if (rules().model != TokenizerModel::SentencePieceBpe) {
    preTokenizer.split(text, work.scratch, [&](std::string_view word) { work.merger.encode(word, work.ids); });
    return;
  }
  std::string escaped(rules().spacePrefix ? spaceSymbol : std::string_view());
  escaped += replaceAll(text, " ", spaceSymbol);
  work.merger.encode(escaped, work.ids);
}

std::string Tokenizer::tokenBytes(int32_t id) const {
  if (id < 0 || id >= vocabSize())
    return {};
  bool verbatim = rules().model == TokenizerModel::ByteLevelBpe || image.type(id) == PieceType::Byte;
  return verbatim ? std::string(image.piece(id)) : replaceAll(image.piece(id), spaceSymbol, " ");
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skipSpecial) const {
  Detokenizer detokenizer(*this, skipSpecial);
  std::string text;
  for (int32_t id : ids)
    text += detokenizer.add(id);
  return text += detokenizer.finish();
}

} // namespace sinter::rt
