// SPDX-License-Identifier: Apache-2.0
// Everything a tokenizer needs, as plain data: the compiler fills it from tokenizer.json or from a GGUF's metadata and
// serializes it; the runtime uses the bytes in place (TokenizerImage.h).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace sinter::rt {

enum class TokenizerModel : uint8_t {
  ByteLevelBpe,     ///< symbols are bytes, merges are ranked pairs (GPT-2, Llama 3, Qwen)
  CharacterBpe,     ///< symbols are code points, merges are ranked pairs (Llama 2 as `tokenizers` writes it)
  SentencePieceBpe, ///< symbols are code points, a merge's rank is the score of the piece it makes
};

/// The values are those of GGUF's tokenizer.ggml.token_type and of SentencePiece's piece types.
enum class PieceType : uint8_t { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

struct Piece {
  std::string text; ///< byte-level: the bytes it stands for; else UTF-8 with U+2581 for a space; Byte: one byte
  PieceType type = PieceType::Normal;
  bool encodable = true; ///< merging may arrive at it: false for added tokens that only a match in the text gives
  float score = 0;       ///< SentencePieceBpe only
};

/// Pieces `left` and `right` become `result`; the position in TokenizerData::merges is the rank, lower first.
struct Merge {
  int32_t left = 0, right = 0, result = 0;
};

enum class NormalizerKind : uint8_t { Nfc, Nfd, Nfkc, Nfkd, Prepend, Replace };

struct NormalizerStep {
  NormalizerKind kind{};
  std::string pattern;     ///< Replace: the literal that is replaced everywhere
  std::string replacement; ///< Replace; Prepend: what is put before a text that is not empty
};

enum class SplitBehavior : uint8_t { Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous };

/// One step of the pre-tokenizer, applied to every segment that the step before left.
struct SplitStep {
  bool prefixSpace =
      false;         ///< put a space before a segment that does not start with one; then, with no regex, no split
  std::string regex; ///< in PCRE2's syntax (Regex.h translates Oniguruma's)
  SplitBehavior behavior = SplitBehavior::Isolated;
  bool invert = false; ///< split at what does not match
};

/// A string that is one token wherever it stands in the text, found before (or, `normalized`, after) normalization.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;    ///< skipped by decode(skipSpecial), plain text for encode without parseSpecial
  bool leftStrip = false;  ///< takes the white space before it
  bool rightStrip = false; ///< takes the white space after it
  bool singleWord = false; ///< only where no word character touches it
  bool normalized = false; ///< matched in the normalized text
};

/// The small part: how text is cut up, what is put around it, how it is chatted with.
struct TokenizerRules {
  TokenizerModel model = TokenizerModel::ByteLevelBpe;
  bool ignoreMerges = false;      ///< a whole word that is a piece is that piece, whatever the merges say
  bool byteFallback = false;      ///< what has no piece becomes its bytes' pieces
  bool fuseUnknown = false;       ///< neighbouring unknown symbols are one unknown token
  bool spacePrefix = false;       ///< SentencePieceBpe: put U+2581 before every segment of text
  bool stripLeadingSpace = false; ///< decoding drops one space at the start of the text
  std::vector<NormalizerStep> normalizers;
  std::vector<SplitStep> splits;
  std::vector<AddedToken> addedTokens;                        ///< in ascending order of id
  std::vector<int32_t> prefixIds, suffixIds;                  ///< put around a text encoded with addSpecial
  int32_t bosId = -1, eosId = -1, unknownId = -1, padId = -1; ///< -1: none
  std::string chatTemplate;                                   ///< the Jinja text; empty: none
};

/// Calls `visitor(field)` for every member, in the order of the serialized form. The one list of fields.
template <typename Visitor>
void visitFields(Visitor &&visitor, NormalizerStep &step) {
  visitor(step.kind), visitor(step.pattern), visitor(step.replacement);
}
template <typename Visitor>
void visitFields(Visitor &&visitor, SplitStep &step) {
  visitor(step.prefixSpace), visitor(step.regex), visitor(step.behavior), visitor(step.invert);
}
template <typename Visitor>
void visitFields(Visitor &&visitor, AddedToken &token) {
  visitor(token.id), visitor(token.content), visitor(token.special), visitor(token.leftStrip);
  visitor(token.rightStrip), visitor(token.singleWord), visitor(token.normalized);
}
template <typename Visitor>
void visitFields(Visitor &&visitor, TokenizerRules &rules) {
  visitor(rules.model), visitor(rules.ignoreMerges), visitor(rules.byteFallback), visitor(rules.fuseUnknown);
  visitor(rules.spacePrefix), visitor(rules.stripLeadingSpace), visitor(rules.normalizers), visitor(rules.splits);
  visitor(rules.addedTokens), visitor(rules.prefixIds), visitor(rules.suffixIds), visitor(rules.bosId);
  visitor(rules.eosId), visitor(rules.unknownId), visitor(rules.padId), visitor(rules.chatTemplate);
}

struct TokenizerData : TokenizerRules {
  std::vector<Piece> pieces; ///< by id; at most maxPieces
  std::vector<Merge> merges; ///< ByteLevelBpe, CharacterBpe; at most one for a pair
};

inline constexpr uint32_t maxPieces = 1u << 24;

/// The bytes of a tokenizer image: the same for the same data, with the hash tables that encoding needs already built.
/// Ids in `data` are in range and its strings' sizes sum up to less than 4 GiB.
std::vector<uint8_t> serialize(const TokenizerData &data);

} // namespace sinter::rt
