// SPDX-License-Identifier: Apache-2.0
// Walking GGUF's metadata section once: every length is checked against the bytes that are there before it is used.
#include "compiler/import/GgufFile.h"
#include "ir/Try.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

constexpr unsigned deepestArrays = 4;
// A key of one character, its length, a type and the shortest value.
constexpr uint64_t shortestEntry = 8 + 1 + 4 + 1;

/// Bytes of a value of that type; 0 for strings and arrays.
unsigned sizeOf(GgufType type) {
  switch (type) {
  case GgufType::U8:
  case GgufType::I8:
  case GgufType::Bool:
    return 1;
  case GgufType::U16:
  case GgufType::I16:
    return 2;
  case GgufType::U32:
  case GgufType::I32:
  case GgufType::F32:
    return 4;
  case GgufType::U64:
  case GgufType::I64:
  case GgufType::F64:
    return 8;
  case GgufType::String:
  case GgufType::Array:
    return 0;
  }
  llvm_unreachable("types are checked on reading");
}

/// The least bytes an element takes in an array.
uint64_t leastSizeOf(GgufType type) {
  if (type == GgufType::Array)
    return 4 + 8;
  return type == GgufType::String ? 8 : sizeOf(type);
}

class Walker {
public:
  Walker(const SourceFile &file, ByteReader &reader) : file(file), reader(reader) {}

  llvm::Expected<GgufValue> value(llvm::StringRef key) {
    TRY_ASSIGN(type, readType(key));
    GgufValue value;
    value.type = type;
    value.offset = reader.offset();
    if (type == GgufType::Array) {
      TRY(readArray(key, value, 1));
    } else {
      TRY_ASSIGN(bytes, scalar(key, type));
      value.bytes = bytes;
    }
    return value;
  }

private:
  llvm::Expected<GgufType> readType(llvm::StringRef key) {
    uint64_t at = reader.offset();
    TRY_ASSIGN(id, reader.read<uint32_t>("value type of metadata " + quoted(key)));
    if (id > uint32_t(GgufType::F64))
      return file.malformed(at, "value type of metadata " + quoted(key), "a type from 0 to 12", llvm::Twine(id));
    return GgufType(id);
  }

  llvm::Expected<llvm::StringRef> scalar(llvm::StringRef key, GgufType type) {
    std::string what = "metadata " + quoted(key);
    if (type == GgufType::String)
      return readGgufString(file, reader, what);
    uint64_t at = reader.offset();
    auto bytes = reader.bytes(sizeOf(type), what);
    if (bytes && type == GgufType::Bool && uint8_t(bytes->front()) > 1)
      return file.malformed(at, what, "a bool of 0 or 1", llvm::Twine(unsigned(uint8_t(bytes->front()))));
    return bytes;
  }

  llvm::Error readArray(llvm::StringRef key, GgufValue &out, unsigned depth) {
    std::string what = "array of metadata " + quoted(key);
    if (depth > deepestArrays)
      return file.malformed(reader.offset(), what, llvm::formatv("at most {0} nested arrays", deepestArrays), "more");
    TRY_ASSIGN(element, readType(key));
    uint64_t countAt = reader.offset();
    TRY_ASSIGN(count, reader.read<uint64_t>("length of " + what));
    if (count > reader.remaining() / leastSizeOf(element))
      return file.malformed(countAt, "length of " + what,
                            llvm::formatv("at most the {0} elements that the file has room for",
                                          reader.remaining() / leastSizeOf(element)),
                            llvm::Twine(count));
    out.element = element;
    out.count = count;
    uint64_t begin = reader.offset();
    TRY(walkElements(key, element, count, depth));
    out.bytes = file.text().substr(begin, reader.offset() - begin);
    return llvm::Error::success();
  }

  llvm::Error walkElements(llvm::StringRef key, GgufType element, uint64_t count, unsigned depth) {
    // Numbers need no look at each; their count is checked already.
    if (unsigned size = sizeOf(element); size && element != GgufType::Bool)
      return reader.bytes(count * size, "metadata " + quoted(key)).takeError();
    for (uint64_t i = 0; i < count; ++i) {
      GgufValue nested;
      llvm::Error error =
          element == GgufType::Array ? readArray(key, nested, depth + 1) : scalar(key, element).takeError();
      if (error)
        return error;
    }
    return llvm::Error::success();
  }

  const SourceFile &file;
  ByteReader &reader;
};

} // namespace

llvm::Expected<llvm::StringRef> readGgufString(const SourceFile &file, ByteReader &reader, const llvm::Twine &what) {
  uint64_t at = reader.offset();
  TRY_ASSIGN(length, reader.read<uint64_t>("length of " + what));
  if (length > reader.remaining())
    return file.malformed(at, "length of " + what,
                          llvm::formatv("at most the {0} bytes that follow", reader.remaining()), llvm::Twine(length));
  TRY_ASSIGN(text, reader.bytes(length, what));
  if (size_t bad = findInvalidUtf8(text); bad != llvm::StringRef::npos)
    return file.malformed(at + 8 + bad, what, "UTF-8", llvm::formatv("byte {0:x}", uint8_t((text)[bad])));
  return text;
}

llvm::Expected<GgufMetadata> readGgufMetadata(const SourceFile &file, ByteReader &reader, uint64_t count) {
  constexpr uint64_t countAt = 16; // in the header
  if (count > reader.remaining() / shortestEntry)
    return file.malformed(
        countAt, "number of metadata keys",
        llvm::formatv("at most the {0} that the file has room for", reader.remaining() / shortestEntry),
        llvm::Twine(count));
  GgufMetadata metadata(file);
  Walker walker(file, reader);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t at = reader.offset();
    TRY_ASSIGN(key, readGgufString(file, reader, "metadata key"));
    TRY_ASSIGN(value, walker.value(key));
    TRY(metadata.add(key, value, at));
  }
  return metadata;
}

} // namespace sinter
