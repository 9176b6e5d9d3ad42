// SPDX-License-Identifier: Apache-2.0
// Small tokenizers for tests.
#pragma once
#include "runtime/text/Tokenizer.h"
#include <algorithm>
#include <gtest/gtest.h>

namespace sinter::rt::fixtures {

using Pairs = std::vector<std::pair<std::string, std::string>>;

inline int32_t pieceId(const TokenizerData &data, std::string_view text) {
  auto piece = std::find_if(data.pieces.begin(), data.pieces.end(), [&](const Piece &p) { return p.text == text; });
  return piece == data.pieces.end() ? -1 : static_cast<int32_t>(piece - data.pieces.begin());
}

/// Adds merges and, behind the other pieces, what they make.
inline void addMerges(TokenizerData &data, const Pairs &merges) {
  for (const auto &[left, right] : merges) {
    if (pieceId(data, left + right) < 0)
      data.pieces.push_back({left + right, PieceType::Normal, true, 0});
    data.merges.push_back({pieceId(data, left), pieceId(data, right), pieceId(data, left + right)});
  }
}

/// Pieces 0 ... 255 are the bytes.
inline TokenizerData byteLevel(const Pairs &merges) {
  TokenizerData data;
  for (int byte = 0; byte < 256; ++byte)
    data.pieces.push_back({std::string(1, static_cast<char>(byte)), PieceType::Normal, true, 0});
  addMerges(data, merges);
  return data;
}

inline TokenizerData characters(const std::vector<std::string> &pieces, const Pairs &merges) {
  TokenizerData data;
  data.model = TokenizerModel::CharacterBpe;
  for (const std::string &piece : pieces)
    data.pieces.push_back({piece, PieceType::Normal, true, 0});
  addMerges(data, merges);
  return data;
}

/// Piece 0 is <unk>; a text gets a space before it.
inline TokenizerData sentencePiece(const std::vector<std::pair<std::string, float>> &pieces) {
  TokenizerData data;
  data.model = TokenizerModel::SentencePieceBpe;
  data.spacePrefix = data.stripLeadingSpace = true;
  data.unknownId = 0;
  data.pieces.push_back({"<unk>", PieceType::Unknown, false, 0});
  for (const auto &[text, score] : pieces)
    data.pieces.push_back({text, PieceType::Normal, true, score});
  return data;
}

inline AddedToken &addToken(TokenizerData &data, std::string_view content, bool special) {
  AddedToken token;
  token.id = static_cast<int32_t>(data.pieces.size());
  token.content = content;
  token.special = special;
  data.pieces.push_back({std::string(content), special ? PieceType::Control : PieceType::UserDefined, false, 0});
  return data.addedTokens.emplace_back(std::move(token));
}

inline SplitStep splitStep(std::string_view regex, SplitBehavior behavior = SplitBehavior::Isolated,
                           bool invert = false) {
  SplitStep step;
  step.regex = regex;
  step.behavior = behavior;
  step.invert = invert;
  return step;
}

/// A tokenizer and the image it stands on.
class LoadedTokenizer {
public:
  explicit LoadedTokenizer(TokenizerData data) : data(std::move(data)), image(serialize(this->data)) {
    Result<Tokenizer> loaded = Tokenizer::load(image);
    if (!loaded) {
      ADD_FAILURE() << loaded.error().message;
      std::abort(); // there is nothing to test
    }
    tokenizer = std::make_unique<Tokenizer>(std::move(*loaded));
  }
  const Tokenizer *operator->() const { return tokenizer.get(); }
  const Tokenizer &operator*() const { return *tokenizer; }
  int32_t id(std::string_view piece) const { return pieceId(data, piece); }

private:
  TokenizerData data;
  std::vector<uint8_t> image;
  std::unique_ptr<Tokenizer> tokenizer;
};

} // namespace sinter::rt::fixtures
