// SPDX-License-Identifier: Apache-2.0
// Decoding GGUF metadata values, by key and expected type.
#include "compiler/import/Floats.h"
#include "compiler/import/GgufFile.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

namespace sinter {

namespace {

using llvm::support::endian::read;
constexpr auto little = llvm::endianness::little;

constexpr llvm::StringLiteral typeNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                             "bool",  "string", "array",  "uint64", "int64",  "float64"};
llvm::StringRef nameOf(GgufType type) { return typeNames[unsigned(type)]; }

template <typename T>
T as(const char *bytes) {
  return read<T, little>(bytes);
}

/// An integer of any type; nothing for other types and for what int64 cannot hold.
std::optional<int64_t> integerAt(GgufType type, const char *bytes) {
  switch (type) {
  case GgufType::U8:
    return as<uint8_t>(bytes);
  case GgufType::I8:
    return as<int8_t>(bytes);
  case GgufType::U16:
    return as<uint16_t>(bytes);
  case GgufType::I16:
    return as<int16_t>(bytes);
  case GgufType::U32:
    return as<uint32_t>(bytes);
  case GgufType::I32:
    return as<int32_t>(bytes);
  case GgufType::I64:
    return as<int64_t>(bytes);
  case GgufType::U64:
    if (as<uint64_t>(bytes) > uint64_t(INT64_MAX))
      return std::nullopt;
    return int64_t(as<uint64_t>(bytes));
  default:
    return std::nullopt;
  }
}

} // namespace

llvm::Error GgufMetadata::add(llvm::StringRef key, const GgufValue &value, uint64_t keyOffset) {
  if (key.empty())
    return file->malformed(keyOffset, "metadata key", "a name", "an empty one");
  if (!values.emplace(key, value).second)
    return file->malformed(keyOffset, "metadata key " + quoted(key), "each key once", "a second one");
  return llvm::Error::success();
}

const GgufValue *GgufMetadata::find(llvm::StringRef key) const {
  auto found = values.find(key);
  return found == values.end() ? nullptr : &found->second;
}

llvm::Error GgufMetadata::bad(llvm::StringRef key, const llvm::Twine &expected, const llvm::Twine &found) const {
  return file->malformed(find(key)->offset, "metadata " + quoted(key), expected, found);
}

llvm::Error GgufMetadata::wrongType(llvm::StringRef key, const llvm::Twine &expected) const {
  const GgufValue *value = find(key);
  std::string found = nameOf(value->type).str();
  if (value->type == GgufType::Array)
    found = ("an array of " + nameOf(value->element)).str();
  return bad(key, expected, found);
}

GgufMetadata::Optional<int64_t> GgufMetadata::integer(llvm::StringRef key) const {
  const GgufValue *value = find(key);
  if (!value)
    return std::nullopt;
  if (std::optional<int64_t> n = integerAt(value->type, value->bytes.data()))
    return n;
  if (value->type == GgufType::U64)
    return bad(key, "an integer below 2^63", llvm::Twine(as<uint64_t>(value->bytes.data())));
  return wrongType(key, "an integer");
}

GgufMetadata::Optional<double> GgufMetadata::number(llvm::StringRef key) const {
  const GgufValue *value = find(key);
  if (!value)
    return std::nullopt;
  double n = 0;
  if (value->type == GgufType::F32)
    n = shortestDouble(as<float>(value->bytes.data()));
  else if (value->type == GgufType::F64)
    n = as<double>(value->bytes.data());
  else if (std::optional<int64_t> i = integerAt(value->type, value->bytes.data()))
    n = double(*i);
  else
    return wrongType(key, "a number");
  if (!std::isfinite(n))
    return bad(key, "a finite number", std::isnan(n) ? "nan" : "infinity");
  return n;
}

GgufMetadata::Optional<bool> GgufMetadata::boolean(llvm::StringRef key) const {
  const GgufValue *value = find(key);
  if (!value)
    return std::nullopt;
  if (value->type == GgufType::Bool)
    return value->bytes.front() != 0;
  return wrongType(key, "a bool");
}

GgufMetadata::Optional<llvm::StringRef> GgufMetadata::string(llvm::StringRef key) const {
  const GgufValue *value = find(key);
  if (!value)
    return std::nullopt;
  if (value->type == GgufType::String)
    return value->bytes;
  return wrongType(key, "a string");
}

GgufMetadata::Optional<int32_t> GgufMetadata::tokenId(llvm::StringRef key) const {
  TRY_ASSIGN(id, integer(key));
  constexpr int64_t none = UINT32_MAX;
  if (!id || *id == none || *id == -1)
    return std::nullopt;
  if (*id < 0 || *id > INT32_MAX)
    return bad(key, "a token id", llvm::Twine(*id));
  return int32_t(*id);
}

llvm::Expected<const GgufValue *> GgufMetadata::array(llvm::StringRef key, llvm::StringRef expected,
                                                      llvm::ArrayRef<GgufType> elements) const {
  const GgufValue *value = find(key);
  if (value && (value->type != GgufType::Array || (value->count && !llvm::is_contained(elements, value->element))))
    return wrongType(key, expected);
  return value;
}

llvm::Expected<std::vector<llvm::StringRef>> GgufMetadata::strings(llvm::StringRef key) const {
  TRY_ASSIGN(value, array(key, "an array of string", GgufType::String));
  std::vector<llvm::StringRef> out;
  if (value) {
    out.reserve(value->count);
    llvm::StringRef rest = value->bytes;
    while (out.size() < value->count) {
      uint64_t length = as<uint64_t>(rest.data());
      out.push_back(rest.substr(8, length));
      rest = rest.drop_front(8 + length);
    }
  }
  return out;
}

llvm::Expected<std::vector<int32_t>> GgufMetadata::integers(llvm::StringRef key) const {
  TRY_ASSIGN(value, array(key, "an array of int32", {GgufType::I32, GgufType::U32}));
  std::vector<int32_t> out(value ? value->count : 0);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = as<int32_t>(value->bytes.data() + 4 * i);
  return out;
}

llvm::Expected<std::vector<float>> GgufMetadata::floats(llvm::StringRef key) const {
  TRY_ASSIGN(value, array(key, "an array of float32", GgufType::F32));
  std::vector<float> out(value ? value->count : 0);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = as<float>(value->bytes.data() + 4 * i);
  return out;
}

} // namespace sinter
