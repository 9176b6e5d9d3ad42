// SPDX-License-Identifier: Apache-2.0
// A Hugging Face directory's tokenizer: tokenizer.json with what tokenizer_config.json and chat_template.jinja add.
#include "compiler/import/TokenizerImport.h"
#include "compiler/import/TokenizerJson.h"
#include "ir/Try.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace {

std::string inDirectory(llvm::StringRef directory, llvm::StringRef name) {
  llvm::SmallString<128> path(directory);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// "<s>", or {"content": "<s>", ...}.
std::optional<llvm::StringRef> tokenContent(const llvm::json::Value *value) {
  if (!value)
    return std::nullopt;
  if (const llvm::json::Object *object = value->getAsObject())
    return object->getString("content");
  return value->getAsString();
}

/// A Jinja text, or a list of named ones of which "default" counts.
std::string chatTemplateOf(const llvm::json::Value *value) {
  const llvm::json::Array *list = value ? value->getAsArray() : nullptr;
  if (!list)
    return value ? value->getAsString().value_or("").str() : "";
  for (const llvm::json::Value &entry : *list)
    if (const llvm::json::Object *object = entry.getAsObject(); object && object->getString("name") == "default")
      return object->getString("template").value_or("").str();
  return "";
}

llvm::Error readTokenizerConfig(llvm::StringRef directory, const llvm::StringMap<int32_t> &ids,
                                rt::TokenizerData &data) {
  std::string path = inDirectory(directory, "tokenizer_config.json");
  if (!llvm::sys::fs::exists(path))
    return llvm::Error::success();
  auto file = SourceFile::open(path);
  if (!file)
    return file.takeError();
  llvm::Expected<JsonObject> config = parseJsonFile(**file);
  if (!config)
    return config.takeError();
  struct Field {
    llvm::StringLiteral key;
    int32_t &id;
  };
  for (const Field &field :
       {Field{"bos_token", data.bosId}, Field{"eos_token", data.eosId}, Field{"pad_token", data.padId}})
    if (std::optional<llvm::StringRef> content = tokenContent(config->root.get(field.key)))
      field.id = ids.contains(*content) ? ids.lookup(*content) : -1;
  data.chatTemplate = chatTemplateOf(config->root.get("chat_template"));
  return llvm::Error::success();
}

/// The file has precedence over tokenizer_config.json, as in transformers.
llvm::Error readChatTemplate(llvm::StringRef directory, rt::TokenizerData &data) {
  std::string path = inDirectory(directory, "chat_template.jinja");
  if (!llvm::sys::fs::exists(path))
    return llvm::Error::success();
  auto file = SourceFile::open(path);
  if (!file)
    return file.takeError();
  if (size_t bad = findInvalidUtf8((*file)->text()); bad != llvm::StringRef::npos)
    return (*file)->malformed(bad, "malformed text", "UTF-8", "another byte");
  data.chatTemplate = (*file)->text().str();
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::optional<rt::TokenizerData>> tokenizerFromHuggingFace(llvm::StringRef directory) {
  std::string path = inDirectory(directory, "tokenizer.json");
  if (!llvm::sys::fs::exists(path))
    return std::nullopt;
  auto file = SourceFile::open(path);
  if (!file)
    return file.takeError();
  llvm::Expected<JsonObject> json = parseJsonFile(**file);
  if (!json)
    return json.takeError();
  rt::TokenizerData data;
  llvm::StringMap<int32_t> ids;
  TRY(readTokenizerJson(**file, json->root, data, ids));
  TRY(readTokenizerConfig(directory, ids, data));
  TRY(readChatTemplate(directory, data));
  return data;
}

} // namespace sinter
