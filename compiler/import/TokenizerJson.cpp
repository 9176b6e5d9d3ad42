// SPDX-License-Identifier: Apache-2.0
// The model and the added tokens of tokenizer.json.
#include "compiler/import/TokenizerJson.h"
#include "compiler/import/ConfigReader.h"
#include "compiler/import/TokenizerPipeline.h"
#include "compiler/import/TokenizerVocabulary.h"
#include "ir/Try.h"
#include "runtime/text/Normalizer.h"
#include "llvm/ADT/STLExtras.h"

namespace sinter {

namespace {

/// Reads one tokenizer.json.
class JsonTokenizer {
public:
  JsonTokenizer(const SourceFile &file, const llvm::json::Object &root, rt::TokenizerData &data,
                llvm::StringMap<int32_t> &ids)
      : file(file), root(root), data(data), ids(ids) {}

  llvm::Error run() {
    TRY(readTokenizerPipeline(file, root, data));
    Optional<const llvm::json::Object *> object = ConfigReader(file, root).nested("model");
    if (!object)
      return object.takeError();
    if (!*object)
      return ConfigReader(file, root).bad("model", "an object", "none");
    model = **object;
    TRY(readModelFlags());
    TRY(readVocabulary());
    TRY(readMerges());
    TRY(readAddedTokens());
    return checkTemplateIds();
  }

private:
  int32_t idOf(llvm::StringRef content) const { return ids.contains(content) ? ids.lookup(content) : -1; }
  ConfigReader modelReader() const { return {file, *model, "model."}; }

  llvm::Error readFlag(llvm::StringRef key, bool &flag) {
    Optional<bool> value = modelReader().boolean(key);
    if (!value)
      return value.takeError();
    flag = value->value_or(false);
    return llvm::Error::success();
  }

  llvm::Error readModelFlags() {
    Optional<std::string> type = modelReader().string("type");
    if (!type)
      return type.takeError();
    if (type->value_or("BPE") != "BPE") // files from before 2020 do not say it
      return modelReader().bad("type", "'BPE'", quoted(**type));
    Optional<double> dropout = modelReader().number("dropout");
    if (!dropout)
      return dropout.takeError();
    if (dropout->value_or(0) != 0)
      return modelReader().bad("dropout", "none, for ids that are always the same", std::to_string(**dropout));
    for (llvm::StringRef key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      Optional<std::string> affix = modelReader().string(key);
      if (!affix)
        return affix.takeError();
      if (!affix->value_or("").empty())
        return modelReader().bad(key, "none", quoted(**affix));
    }
    TRY(readFlag("ignore_merges", data.ignoreMerges));
    TRY(readFlag("byte_fallback", data.byteFallback));
    return readFlag("fuse_unk", data.fuseUnknown);
  }

  /// An id that a vocabulary of this size can have: gaps are few.
  llvm::Expected<int32_t> checkedId(const ConfigReader &reader, llvm::StringRef place,
                                    const llvm::json::Value *value) const {
    std::optional<int64_t> id = value ? value->getAsInteger() : std::nullopt;
    int64_t limit = std::min<int64_t>(rt::maxPieces, 2 * static_cast<int64_t>(vocabularySize) + 65536);
    if (!id || *id < 0 || *id >= limit)
      return reader.bad(place, "an id in 0 ... " + llvm::Twine(limit - 1), value ? describe(*value) : "none");
    return static_cast<int32_t>(*id);
  }

  /// Puts a piece at its id. Places in between are pieces that nothing gives.
  rt::Piece &place(int32_t id) {
    size_t known = data.pieces.size();
    if (static_cast<size_t>(id) >= known)
      data.pieces.resize(id + 1, rt::Piece{"", rt::PieceType::Unused, false, 0});
    return data.pieces[id];
  }

  llvm::Error readVocabulary() {
    Optional<const llvm::json::Object *> vocabulary = modelReader().nested("vocab");
    if (!vocabulary)
      return vocabulary.takeError();
    if (!*vocabulary || (**vocabulary)->empty())
      return modelReader().bad("vocab", "pieces and their ids", "none");
    using Entry = std::pair<int32_t, llvm::StringRef>;
    std::vector<Entry> entries;
    ConfigReader reader(file, ***vocabulary, "model.vocab.");
    // The object has no order; the smallest bad key is the one reported.
    std::vector<llvm::StringRef> names;
    for (const auto &[name, value] : ***vocabulary)
      names.push_back(name);
    llvm::sort(names);
    vocabularySize = names.size();
    for (llvm::StringRef name : names) {
      llvm::Expected<int32_t> id = checkedId(reader, quoted(name), (**vocabulary)->get(name));
      if (!id)
        return id.takeError();
      entries.push_back({*id, name});
    }
    llvm::sort(entries);
    for (auto [index, entry] : llvm::enumerate(entries)) {
      auto [id, name] = entry;
      if (index > 0 && entries[index - 1].first == id)
        return reader.bad(quoted(name), "an id of its own",
                          llvm::Twine(id) + ", as " + quoted(entries[index - 1].second) + " has");
      ids[name] = id;
      fillPiece(place(id), name);
    }
    return llvm::Error::success();
  }

  void fillPiece(rt::Piece &piece, llvm::StringRef name) {
    piece = {name.str(), rt::PieceType::Normal, true, 0};
    if (data.model == rt::TokenizerModel::ByteLevelBpe) {
      std::optional<std::string> bytes = bytesOfByteLevel(name);
      piece.encodable = bytes.has_value();
      piece.text = bytes.value_or(piece.text);
    } else if (std::optional<uint8_t> byte = byteOfPiece(name); byte && data.byteFallback) {
      piece = {std::string(1, static_cast<char>(*byte)), rt::PieceType::Byte, false, 0};
    }
  }

  llvm::Error readMerges() {
    Optional<std::string> unknown = modelReader().string("unk_token");
    if (!unknown)
      return unknown.takeError();
    if (*unknown && (data.unknownId = idOf(**unknown)) < 0)
      return modelReader().bad("unk_token", "a piece of the vocabulary", quoted(**unknown));
    const llvm::json::Value *list = modelReader().get("merges");
    if (!list || !list->getAsArray())
      return modelReader().bad("merges", "an array", list ? describe(*list) : "none");
    std::vector<NamedMerge> merges;
    for (auto [index, value] : llvm::enumerate(*list->getAsArray())) {
      std::optional<NamedMerge> merge = readMerge(value);
      if (!merge)
        return modelReader().bad(("merges[" + llvm::Twine(index) + "]").str(), "two pieces", describe(value));
      merges.push_back(*merge);
    }
    auto resolved = resolveMerges(merges, ids, file.path() + ": model.merges");
    if (!resolved)
      return resolved.takeError();
    data.merges = std::move(*resolved);
    return llvm::Error::success();
  }

  /// "left right", or since 2024 ["left", "right"].
  static std::optional<NamedMerge> readMerge(const llvm::json::Value &value) {
    if (std::optional<llvm::StringRef> text = value.getAsString())
      return parseMerge(*text);
    const llvm::json::Array *pair = value.getAsArray();
    if (!pair || pair->size() != 2 || !(*pair)[0].getAsString() || !(*pair)[1].getAsString())
      return std::nullopt;
    return NamedMerge{*(*pair)[0].getAsString(), *(*pair)[1].getAsString()};
  }

  llvm::Error readAddedTokens() {
    const llvm::json::Value *list = ConfigReader(file, root).get("added_tokens");
    if (list && !list->getAsArray())
      return ConfigReader(file, root).bad("added_tokens", "an array", describe(*list));
    if (!list)
      return llvm::Error::success();
    for (auto [index, value] : llvm::enumerate(*list->getAsArray())) {
      std::string place = ("added_tokens[" + llvm::Twine(index) + "]").str();
      const llvm::json::Object *object = value.getAsObject();
      if (!object)
        return ConfigReader(file, root).bad(place, "an object", describe(value));
      if (llvm::Error error = readAddedToken({file, *object, place + "."}))
        return error;
    }
    llvm::sort(data.addedTokens, [](const auto &a, const auto &b) { return a.id < b.id; });
    return llvm::Error::success();
  }

  llvm::Error readAddedToken(const ConfigReader &reader) {
    rt::AddedToken token;
    Optional<std::string> content = reader.string("content");
    if (!content)
      return content.takeError();
    if (content->value_or("").empty())
      return reader.bad("content", "a string", "none");
    token.content = **content;
    llvm::Expected<int32_t> id = checkedId(reader, "id", reader.get("id"));
    if (!id)
      return id.takeError();
    token.id = *id;
    struct Flag {
      llvm::StringLiteral key;
      bool &value;
    };
    for (const Flag &flag :
         {Flag{"special", token.special}, Flag{"lstrip", token.leftStrip}, Flag{"rstrip", token.rightStrip},
          Flag{"single_word", token.singleWord}, Flag{"normalized", token.normalized}}) {
      Optional<bool> value = reader.boolean(flag.key);
      if (!value)
        return value.takeError();
      flag.value = value->value_or(false);
    }
    return addToken(reader, std::move(token));
  }

  llvm::Error addToken(const ConfigReader &reader, rt::AddedToken token) {
    bool isNew = ids.try_emplace(token.content, token.id).second;
    rt::Piece &piece = place(token.id);
    if (!isNew && ids.lookup(token.content) != token.id)
      return reader.bad("id", llvm::Twine(ids.lookup(token.content)) + ", as elsewhere in the file",
                        llvm::Twine(token.id));
    if (piece.type == rt::PieceType::Control || piece.type == rt::PieceType::UserDefined)
      return reader.bad("id", "an id of its own", llvm::Twine(token.id));
    if (isNew && piece.type != rt::PieceType::Unused)
      return reader.bad("id", "an id of its own", llvm::Twine(token.id) + ", which is a piece of the model");
    if (isNew) // decoded the way it is matched: as `tokenizers` has it
      fillPiece(piece, token.normalized ? rt::Normalizer(data.normalizers).normalize(token.content) : token.content);
    piece.encodable = piece.encodable && !isNew;
    piece.type = token.special ? rt::PieceType::Control : rt::PieceType::UserDefined;
    data.addedTokens.push_back(std::move(token));
    return llvm::Error::success();
  }

  llvm::Error checkTemplateIds() const {
    for (const std::vector<int32_t> *list : {&data.prefixIds, &data.suffixIds})
      for (int32_t id : *list)
        if (static_cast<size_t>(id) >= data.pieces.size())
          return ConfigReader(file, root)
              .bad("post_processor", "ids below " + llvm::Twine(data.pieces.size()), llvm::Twine(id));
    return llvm::Error::success();
  }

  const SourceFile &file;
  const llvm::json::Object &root;
  rt::TokenizerData &data;
  const llvm::json::Object *model = nullptr;
  llvm::StringMap<int32_t> &ids;
  size_t vocabularySize = 0;
};

} // namespace

llvm::Error readTokenizerJson(const SourceFile &file, const llvm::json::Object &root, rt::TokenizerData &data,
                              llvm::StringMap<int32_t> &ids) {
  return JsonTokenizer(file, root, data, ids).run();
}

} // namespace sinter
