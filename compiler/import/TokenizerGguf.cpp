// SPDX-License-Identifier: Apache-2.0
// Tokenizers in GGUF metadata. Its writers leave out how text is normalized and cut; `tokenizer.ggml.pre` names it.
#include "compiler/import/SourceFile.h"
#include "compiler/import/TokenizerImport.h"
#include "compiler/import/TokenizerVocabulary.h"
#include "ir/Try.h"
#include "runtime/text/Utf8.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

namespace sinter {

namespace {

using rt::PieceType;

/// How a family that `tokenizer.ggml.pre` names cuts text, as its tokenizer.json has it.
struct WordRules {
  llvm::StringLiteral name;
  bool digitsFirst; ///< every digit is its own word
  llvm::StringLiteral words;
  bool nfc, ignoreMerges, addBos;
};

constexpr llvm::StringLiteral llama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr llvm::StringLiteral qwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr WordRules wordRules[] = {
    {"gpt-2", false, gpt2Words, false, false, false},
    {"smollm", true, gpt2Words, false, false, false},
    {"llama-bpe", false, llama3Words, false, true, true},
    {"qwen2", false, qwen2Words, true, false, false},
};

class GgufTokenizer {
public:
  explicit GgufTokenizer(const GgufTokenizerFields &fields) : fields(fields) {}

  llvm::Expected<rt::TokenizerData> run() {
    if (fields.model != "gpt2" && fields.model != "llama")
      return bad("model", "'gpt2' or 'llama'", quoted(fields.model));
    TRY(readPieces());
    TRY(fields.model == "gpt2" ? readByteLevel() : readSentencePiece());
    TRY(readSpecial());
    data.chatTemplate = fields.chatTemplate;
    return std::move(data);
  }

private:
  llvm::Error bad(const llvm::Twine &key, const llvm::Twine &expected, const llvm::Twine &found) const {
    return llvm::createStringError(fields.path + ": tokenizer.ggml." + key + ": expected " + expected + ", found " +
                                   found);
  }

  llvm::Error readPieces() {
    size_t count = fields.tokens.size();
    if (count == 0 || count > rt::maxPieces)
      return bad("tokens", "1 to " + llvm::Twine(rt::maxPieces) + " tokens", llvm::Twine(count));
    if (!fields.tokenTypes.empty() && fields.tokenTypes.size() != count)
      return bad("token_type", llvm::Twine(count) + " types, as there are tokens",
                 llvm::Twine(fields.tokenTypes.size()));
    size_t bytes = 0;
    for (size_t id = 0; id < count; ++id) {
      int32_t type = fields.tokenTypes.empty() ? 1 : fields.tokenTypes[id];
      if (type < static_cast<int>(PieceType::Normal) || type > static_cast<int>(PieceType::Byte))
        return bad("token_type[" + llvm::Twine(id) + "]", "1 to 6", llvm::Twine(type));
      rt::Piece piece{fields.tokens[id], static_cast<PieceType>(type), true, 0};
      piece.encodable =
          piece.type == PieceType::Normal || piece.type == PieceType::UserDefined || piece.type == PieceType::Unused;
      if (!rt::utf8::isValid(piece.text))
        return bad("tokens[" + llvm::Twine(id) + "]", "UTF-8", quoted(piece.text));
      if (piece.encodable && !ids.try_emplace(piece.text, static_cast<int32_t>(id)).second)
        return bad("tokens[" + llvm::Twine(id) + "]", "each token once",
                   quoted(piece.text) + ", which is token " + llvm::Twine(ids.lookup(piece.text)) + " too");
      bytes += piece.text.size();
      data.pieces.push_back(std::move(piece));
    }
    if (bytes >= UINT32_MAX)
      return bad("tokens", "less than 4 GiB of text", llvm::Twine(bytes) + " bytes");
    return llvm::Error::success();
  }

  llvm::Error readByteLevel() {
    const WordRules *rules = llvm::find_if(wordRules, [&](const WordRules &r) { return r.name == fields.pre; });
    if (rules == std::end(wordRules)) {
      auto names = llvm::map_range(wordRules, [](const WordRules &r) { return "'" + r.name.str() + "'"; });
      return bad("pre", "one of " + llvm::join(names, ", "), fields.pre.empty() ? "none" : quoted(fields.pre));
    }
    data.model = rt::TokenizerModel::ByteLevelBpe;
    data.ignoreMerges = rules->ignoreMerges;
    addBosByDefault = rules->addBos;
    if (rules->nfc)
      data.normalizers.push_back({rt::NormalizerKind::Nfc, "", ""});
    if (rules->digitsFirst)
      data.splits.push_back(llvm::cantFail(splitAt("\\p{N}", rt::SplitBehavior::Isolated)));
    data.splits.push_back(llvm::cantFail(splitAt(rules->words, rt::SplitBehavior::Isolated)));
    TRY(readMerges());
    for (auto [id, piece] : llvm::enumerate(data.pieces)) {
      bool special = piece.type == PieceType::Control || piece.type == PieceType::Unknown;
      if (special || piece.type == PieceType::UserDefined) {
        addToken(id, special);
        piece.encodable = false;
        continue;
      }
      std::optional<std::string> byteText = bytesOfByteLevel(piece.text);
      piece.encodable = byteText && piece.type == PieceType::Normal;
      piece.type = PieceType::Normal; // a byte-level piece is no SentencePiece byte piece
      piece.text = byteText.value_or(piece.text);
    }
    return llvm::Error::success();
  }

  llvm::Error readMerges() {
    std::vector<NamedMerge> merges;
    for (auto [index, text] : llvm::enumerate(fields.merges)) {
      std::optional<NamedMerge> merge = parseMerge(text);
      if (!merge)
        return bad("merges[" + llvm::Twine(index) + "]", "two pieces and a space between", quoted(text));
      merges.push_back(*merge);
    }
    auto resolved = resolveMerges(merges, ids, fields.path + ": tokenizer.ggml.merges");
    if (!resolved)
      return resolved.takeError();
    data.merges = std::move(*resolved);
    return llvm::Error::success();
  }

  llvm::Error readSentencePiece() {
    if (fields.scores.size() != fields.tokens.size())
      return bad("scores", llvm::Twine(fields.tokens.size()) + " scores, as there are tokens",
                 llvm::Twine(fields.scores.size()));
    data.model = rt::TokenizerModel::SentencePieceBpe;
    data.spacePrefix = data.stripLeadingSpace = fields.addSpacePrefix.value_or(true);
    addBosByDefault = true;
    for (auto [id, piece] : llvm::enumerate(data.pieces)) {
      piece.score = fields.scores[id];
      if (!std::isfinite(piece.score))
        return bad("scores[" + llvm::Twine(id) + "]", "a finite number", llvm::Twine(std::to_string(piece.score)));
      if (piece.type == PieceType::Unknown && data.unknownId < 0)
        data.unknownId = static_cast<int32_t>(id);
      if (piece.type == PieceType::Control || piece.type == PieceType::Unknown)
        addToken(id, true);
      if (piece.type != PieceType::Byte)
        continue;
      std::optional<uint8_t> byte = byteOfPiece(piece.text);
      if (!byte)
        return bad("tokens[" + llvm::Twine(id) + "]", "a byte piece such as '<0x0A>'", quoted(piece.text));
      piece.text = std::string(1, static_cast<char>(*byte));
      data.byteFallback = true;
    }
    return llvm::Error::success();
  }

  /// `content` is the piece's text as it stands in the file.
  void addToken(size_t id, bool special) {
    if (data.pieces[id].text.empty())
      return;
    rt::AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = data.pieces[id].text;
    token.special = special;
    data.addedTokens.push_back(std::move(token));
  }

  llvm::Error readSpecial() {
    struct Field {
      llvm::StringLiteral key;
      std::optional<int64_t> value;
      int32_t &id;
    };
    for (const Field &field :
         {Field{"bos_token_id", fields.bosId, data.bosId}, Field{"eos_token_id", fields.eosId, data.eosId},
          Field{"unknown_token_id", fields.unknownId, data.unknownId},
          Field{"padding_token_id", fields.padId, data.padId}}) {
      if (!field.value)
        continue;
      if (*field.value < 0 || *field.value >= static_cast<int64_t>(data.pieces.size()))
        return bad(field.key, "a token of " + llvm::Twine(data.pieces.size()), llvm::Twine(*field.value));
      field.id = static_cast<int32_t>(*field.value);
    }
    if (fields.model == "gpt2")
      data.unknownId = -1; // bytes are never unknown; its unknown_token_id is a filler
    else if (data.unknownId < 0)
      return bad("unknown_token_id", "an unknown token", "none");
    if (fields.addBos.value_or(addBosByDefault && data.bosId >= 0)) {
      if (data.bosId < 0)
        return bad("bos_token_id", "a token, because add_bos_token is true", "none");
      data.prefixIds.push_back(data.bosId);
    }
    if (fields.addEos.value_or(false)) {
      if (data.eosId < 0)
        return bad("eos_token_id", "a token, because add_eos_token is true", "none");
      data.suffixIds.push_back(data.eosId);
    }
    return llvm::Error::success();
  }

  const GgufTokenizerFields &fields;
  rt::TokenizerData data;
  llvm::StringMap<int32_t> ids; ///< of the encodable pieces, by their text in the file
  bool addBosByDefault = false;
};

} // namespace

llvm::Expected<rt::TokenizerData> tokenizerFromGguf(const GgufTokenizerFields &fields) {
  return GgufTokenizer(fields).run();
}

} // namespace sinter
