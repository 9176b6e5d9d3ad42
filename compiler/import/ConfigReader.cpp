// SPDX-License-Identifier: Apache-2.0
// Typed reading of config.json and generation_config.json.
#include "compiler/import/ConfigReader.h"
#include <cmath>
#include <limits>

namespace sinter {

const llvm::json::Value *ConfigReader::get(llvm::StringRef key) const {
  const llvm::json::Value *value = object.get(key);
  return value && value->kind() != llvm::json::Value::Null ? value : nullptr;
}

Optional<int64_t> ConfigReader::integer(llvm::StringRef key) const {
  const llvm::json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  if (std::optional<int64_t> n = value->getAsInteger())
    return n;
  return bad(key, "an integer", describe(*value));
}

Optional<double> ConfigReader::number(llvm::StringRef key) const {
  const llvm::json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  if (std::optional<double> n = value->getAsNumber(); n && std::isfinite(*n))
    return n;
  return bad(key, "a finite number", describe(*value));
}

Optional<bool> ConfigReader::boolean(llvm::StringRef key) const {
  const llvm::json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  if (std::optional<bool> b = value->getAsBoolean())
    return b;
  return bad(key, "true or false", describe(*value));
}

Optional<std::string> ConfigReader::string(llvm::StringRef key) const {
  const llvm::json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  if (std::optional<llvm::StringRef> text = value->getAsString())
    return text->str();
  return bad(key, "a string", describe(*value));
}

Optional<const llvm::json::Object *> ConfigReader::nested(llvm::StringRef key) const {
  const llvm::json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  if (const llvm::json::Object *object = value->getAsObject())
    return object;
  return bad(key, "an object", describe(*value));
}

static std::optional<int32_t> asTokenId(const llvm::json::Value &value) {
  std::optional<int64_t> n = value.getAsInteger();
  if (!n || *n < 0 || *n > std::numeric_limits<int32_t>::max())
    return std::nullopt;
  return int32_t(*n);
}

Optional<int32_t> ConfigReader::tokenId(llvm::StringRef key) const {
  const llvm::json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  if (std::optional<int32_t> id = asTokenId(*value))
    return id;
  return bad(key, "a token id", describe(*value));
}

llvm::Expected<std::vector<int32_t>> ConfigReader::tokenIds(llvm::StringRef key) const {
  const llvm::json::Value *value = get(key);
  std::vector<int32_t> ids;
  if (!value)
    return ids;
  llvm::json::Array single{*value};
  for (const llvm::json::Value &each : value->getAsArray() ? *value->getAsArray() : single) {
    std::optional<int32_t> id = asTokenId(each);
    if (!id)
      return bad(key, "a token id or a list of them", describe(each));
    ids.push_back(*id);
  }
  return ids;
}

llvm::Error ConfigReader::bad(llvm::StringRef key, const llvm::Twine &expected, const llvm::Twine &found) const {
  return file.error(prefix + key + ": expected " + expected + ", found " + found);
}

} // namespace sinter
