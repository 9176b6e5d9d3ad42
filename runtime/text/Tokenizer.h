// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back, exactly as Hugging Face `tokenizers` and `sentencepiece` do it, in time linear in the
// text (n log n within one very long word). Safe to share between threads.
#pragma once
#include "runtime/support/Error.h"
#include "runtime/text/AddedTokens.h"
#include "runtime/text/BpeMerger.h"
#include "runtime/text/Normalizer.h"
#include "runtime/text/PreTokenizer.h"
#include "runtime/text/TokenizerImage.h"
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::rt {

struct EncodeOptions {
  bool addSpecial = true;   ///< put BOS/EOS around the text where the model wants them
  bool parseSpecial = true; ///< special tokens' strings in the text become those tokens; else they are plain text
};

class Tokenizer {
public:
  /// Reads what serialize() wrote. `image` is used in place: it outlives the tokenizer and is aligned to 8 bytes.
  static Result<Tokenizer> load(std::span<const uint8_t> image);

  /// Ill-formed UTF-8 in `text` is read as U+FFFD.
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;

  /// Valid UTF-8, with U+FFFD for bytes that are none. Ids outside the vocabulary give nothing.
  std::string decode(std::span<const int32_t> ids, bool skipSpecial = true) const;

  int32_t vocabSize() const { return image.numPieces(); }
  const TokenizerRules &rules() const { return image.rules(); }

  /// Control tokens and the like: BOS, EOS, <|im_end|>, ...
  bool isSpecial(int32_t id) const { return added.isSpecial(id); }

  /// A SentencePiece byte piece: one byte of a character that has no piece. `id` is in the vocabulary.
  bool isByte(int32_t id) const { return image.type(id) == PieceType::Byte; }

  /// The bytes that `id` adds to a text, not always whole UTF-8 characters: "\xE4", " the", "<|im_end|>".
  std::string tokenBytes(int32_t id) const;

  /// The id of an added token by its string ("<|im_end|>").
  std::optional<int32_t> findAddedToken(std::string_view content) const { return added.find(content); }

private:
  struct Work; ///< what encoding one text needs: the merger, the regexes' scratch space, the ids so far

  Tokenizer(TokenizerImage image, Normalizer normalizer, PreTokenizer preTokenizer);

  void encodeSegment(std::string_view segment, bool parseSpecial, Work &work) const;
  void encodeText(std::string_view text, Work &work) const;

  TokenizerImage image;
  Normalizer normalizer;
  PreTokenizer preTokenizer;
  AddedTokens added;
  PatternSet userDefined; ///< SentencePieceBpe's user-defined pieces
};

} // namespace sinter::rt
