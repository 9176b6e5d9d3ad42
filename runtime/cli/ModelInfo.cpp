// SPDX-License-Identifier: Apache-2.0
// Reads the "info" section with Boost.JSON; a key of the wrong type is an error that names it.
#include "runtime/cli/ModelInfo.h"
#include <boost/json.hpp>
#include <charconv>

namespace sinter::rt {
namespace {

namespace json = boost::json;

/// Reads members of one object; the first wrong one is kept as the error.
class Reader {
public:
  Reader(const json::object &object, std::string place, std::optional<Error> &error)
      : object(object), place(std::move(place)), error(error) {}

  const json::value *find(const char *key) const {
    const json::value *value = object.if_contains(key);
    return value && !value->is_null() ? value : nullptr;
  }
  void read(const char *key, std::string &out) const {
    if (const json::value *value = find(key))
      value->is_string() ? void(out = std::string(value->get_string())) : wrong(key, "a string");
  }
  template <typename Integer>
  void readInteger(const char *key, Integer &out) const {
    if (const json::value *value = find(key))
      convert(*value, key, out);
  }
  void read(const char *key, std::optional<int32_t> &out) const {
    if (const json::value *value = find(key))
      convert(*value, key, out.emplace());
  }
  void read(const char *key, std::optional<double> &out) const {
    if (const json::value *value = find(key))
      value->is_number() ? void(out = value->to_number<double>()) : wrong(key, "a number");
  }
  void read(const char *key, std::vector<int32_t> &out) const {
    const json::value *value = find(key);
    if (!value)
      return;
    if (!value->is_array())
      return wrong(key, "an array");
    for (const json::value &element : value->get_array())
      convert(element, key, out.emplace_back());
  }
  std::optional<Reader> child(const char *key) const {
    const json::value *value = find(key);
    if (!value)
      return std::nullopt;
    if (value->is_object())
      return Reader(value->get_object(), place + key + ".", error);
    wrong(key, "an object");
    return std::nullopt;
  }

private:
  template <typename Integer>
  void convert(const json::value &value, const char *key, Integer &out) const {
    json::error_code code;
    out = value.to_number<Integer>(code);
    if (code)
      wrong(key, "an integer");
  }
  void wrong(const char *key, const char *expected) const {
    if (!error)
      error = Error{place + key + ": expected " + expected};
  }

  const json::object &object;
  std::string place;
  std::optional<Error> &error;
};

void readGeneration(const Reader &reader, GenerationInfo &out) {
  reader.read("eos_token_ids", out.eosTokens);
  reader.read("bos_token_id", out.bosToken);
  reader.read("pad_token_id", out.padToken);
  reader.read("temperature", out.temperature);
  reader.read("top_p", out.topP);
  reader.read("top_k", out.topK);
}

} // namespace

Result<ModelInfo> parseModelInfo(std::string_view text, const std::string &origin) {
  std::string start = origin + ": section 'info': ";
  json::error_code code;
  json::value value = json::parse({text.data(), text.size()}, code);
  if (code)
    return fail(start + code.message());
  if (!value.is_object())
    return fail(start + "expected an object");
  ModelInfo info;
  info.json = text;
  std::optional<Error> error;
  Reader reader(value.get_object(), start, error);
  reader.read("model", info.model);
  reader.read("architecture", info.architecture);
  reader.read("compiler", info.compiler);
  reader.read("chat_template", info.chatTemplate);
  reader.readInteger("parameters", info.parameters);
  if (auto generation = reader.child("generation"))
    readGeneration(*generation, info.generation);
  if (auto weights = reader.child("weights")) {
    std::string checksum;
    weights->read("file", info.weightsFile);
    weights->read("checksum", checksum);
    std::from_chars(checksum.data(), checksum.data() + checksum.size(), info.weightsChecksum, 16);
  }
  if (error)
    return tl::unexpected(*error);
  if (info.model.empty())
    return fail(start + "'model' is missing");
  return info;
}

} // namespace sinter::rt
