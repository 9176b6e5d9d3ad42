// SPDX-License-Identifier: Apache-2.0
// The tokenizer's part of GGUF's metadata, handed to the tokenizer importer.
#include "compiler/import/GgufModel.h"
#include "compiler/import/TokenizerImport.h"
#include "ir/Try.h"

namespace sinter {

namespace {

class FieldReader {
public:
  FieldReader(const GgufMetadata &metadata, const SourceFile &file) : metadata(metadata) { fields.path = file.path(); }

  llvm::Expected<GgufTokenizerFields> read() {
    using Step = llvm::Error (FieldReader::*)();
    for (Step step :
         {&FieldReader::readTexts, &FieldReader::readTables, &FieldReader::readIds, &FieldReader::readFlags})
      TRY((this->*step)());
    return std::move(fields);
  }

private:
  llvm::Error readTexts() {
    for (auto [key, field] :
         {std::pair("tokenizer.ggml.model", &fields.model), std::pair("tokenizer.ggml.pre", &fields.pre),
          std::pair("tokenizer.chat_template", &fields.chatTemplate)}) {
      TRY_ASSIGN(value, metadata.string(key));
      *field = value.value_or("").str();
    }
    return llvm::Error::success();
  }

  llvm::Error readTables() {
    for (auto [key, field] :
         {std::pair("tokenizer.ggml.tokens", &fields.tokens), std::pair("tokenizer.ggml.merges", &fields.merges)}) {
      TRY_ASSIGN(value, metadata.strings(key));
      field->assign(value.begin(), value.end());
    }
    TRY_ASSIGN(scores, metadata.floats("tokenizer.ggml.scores"));
    fields.scores = std::move(scores);
    TRY_ASSIGN(types, metadata.integers("tokenizer.ggml.token_type"));
    fields.tokenTypes = std::move(types);
    return llvm::Error::success();
  }

  llvm::Error readIds() {
    for (auto [key, field] : {std::pair("tokenizer.ggml.bos_token_id", &fields.bosId),
                              std::pair("tokenizer.ggml.eos_token_id", &fields.eosId),
                              std::pair("tokenizer.ggml.unknown_token_id", &fields.unknownId),
                              std::pair("tokenizer.ggml.padding_token_id", &fields.padId)}) {
      TRY_ASSIGN(value, metadata.tokenId(key));
      *field = value;
    }
    return llvm::Error::success();
  }

  llvm::Error readFlags() {
    for (auto [key, field] : {std::pair("tokenizer.ggml.add_bos_token", &fields.addBos),
                              std::pair("tokenizer.ggml.add_eos_token", &fields.addEos),
                              std::pair("tokenizer.ggml.add_space_prefix", &fields.addSpacePrefix)}) {
      TRY_ASSIGN(value, metadata.boolean(key));
      *field = value;
    }
    return llvm::Error::success();
  }

  const GgufMetadata &metadata;
  GgufTokenizerFields fields;
};

} // namespace

llvm::Expected<std::vector<uint8_t>> ggufTokenizer(const GgufMetadata &metadata, const SourceFile &file) {
  TRY_ASSIGN(model, metadata.string("tokenizer.ggml.model"));
  // Converters write "none" for models that take ids, such as those made for tests.
  if (!model || *model == "none" || *model == "no_vocab")
    return std::vector<uint8_t>();
  TRY_ASSIGN(fields, FieldReader(metadata, file).read());
  TRY_ASSIGN(tokenizer, tokenizerFromGguf(fields));
  return rt::serialize(tokenizer);
}

} // namespace sinter
