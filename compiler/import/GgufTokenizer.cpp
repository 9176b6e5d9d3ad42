// SPDX-License-Identifier: Apache-2.0
// The tokenizer's part of GGUF's metadata, handed to the tokenizer importer.
#include "compiler/import/GgufModel.h"
#include "compiler/import/TokenizerImport.h"

namespace sinter {

namespace {

class FieldReader {
public:
  FieldReader(const GgufMetadata &metadata, const SourceFile &file) : metadata(metadata) { fields.path = file.path(); }

  llvm::Expected<GgufTokenizerFields> read() {
    using Step = llvm::Error (FieldReader::*)();
    for (Step step :
         {&FieldReader::readTexts, &FieldReader::readTables, &FieldReader::readIds, &FieldReader::readFlags})
      if (llvm::Error error = (this->*step)())
        return error;
    return std::move(fields);
  }

private:
  llvm::Error readTexts() {
    for (auto [key, field] :
         {std::pair("tokenizer.ggml.model", &fields.model), std::pair("tokenizer.ggml.pre", &fields.pre),
          std::pair("tokenizer.chat_template", &fields.chatTemplate)}) {
      auto value = metadata.string(key);
      if (!value)
        return value.takeError();
      *field = value->value_or("").str();
    }
    return llvm::Error::success();
  }

  llvm::Error readTables() {
    for (auto [key, field] :
         {std::pair("tokenizer.ggml.tokens", &fields.tokens), std::pair("tokenizer.ggml.merges", &fields.merges)}) {
      auto value = metadata.strings(key);
      if (!value)
        return value.takeError();
      field->assign(value->begin(), value->end());
    }
    auto scores = metadata.floats("tokenizer.ggml.scores");
    if (!scores)
      return scores.takeError();
    fields.scores = std::move(*scores);
    auto types = metadata.integers("tokenizer.ggml.token_type");
    if (!types)
      return types.takeError();
    fields.tokenTypes = std::move(*types);
    return llvm::Error::success();
  }

  llvm::Error readIds() {
    for (auto [key, field] : {std::pair("tokenizer.ggml.bos_token_id", &fields.bosId),
                              std::pair("tokenizer.ggml.eos_token_id", &fields.eosId),
                              std::pair("tokenizer.ggml.unknown_token_id", &fields.unknownId),
                              std::pair("tokenizer.ggml.padding_token_id", &fields.padId)}) {
      auto value = metadata.tokenId(key);
      if (!value)
        return value.takeError();
      *field = *value;
    }
    return llvm::Error::success();
  }

  llvm::Error readFlags() {
    for (auto [key, field] : {std::pair("tokenizer.ggml.add_bos_token", &fields.addBos),
                              std::pair("tokenizer.ggml.add_eos_token", &fields.addEos),
                              std::pair("tokenizer.ggml.add_space_prefix", &fields.addSpacePrefix)}) {
      auto value = metadata.boolean(key);
      if (!value)
        return value.takeError();
      *field = *value;
    }
    return llvm::Error::success();
  }

  const GgufMetadata &metadata;
  GgufTokenizerFields fields;
};

} // namespace

llvm::Expected<std::vector<uint8_t>> ggufTokenizer(const GgufMetadata &metadata, const SourceFile &file) {
  auto model = metadata.string("tokenizer.ggml.model");
  if (!model)
    return model.takeError();
  // Converters write "none" for models that take ids, such as those made for tests.
  if (!*model || **model == "none" || **model == "no_vocab")
    return std::vector<uint8_t>();
  auto fields = FieldReader(metadata, file).read();
  if (!fields)
    return fields.takeError();
  auto tokenizer = tokenizerFromGguf(*fields);
  if (!tokenizer)
    return tokenizer.takeError();
  return rt::serialize(*tokenizer);
}

} // namespace sinter
