// SPDX-License-Identifier: Apache-2.0
// Reading one safetensors file.
#include "compiler/import/Safetensors.h"
#include "compiler/import/ByteReader.h"
#include "compiler/import/GgmlTypes.h"
#include "compiler/import/JsonText.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

// The limit of the format's own reader.
constexpr uint64_t largestHeader = 100'000'000;

struct DtypeName {
  llvm::StringLiteral name;
  Scalar scalar;
};
constexpr DtypeName dtypes[] = {{"F32", Scalar::F32}, {"F16", Scalar::F16}, {"BF16", Scalar::BF16}};

/// One entry of the header. Offsets are from the first byte after it.
struct Entry {
  std::string name;
  uint64_t offset; ///< of its key in the file, for messages
  std::string dtype;
  llvm::SmallVector<Dim, 3> shape;
  uint64_t elements = 1;
  uint64_t begin = 0, end = 0;
};

class Reader {
public:
  explicit Reader(const SourceFile &file) : file(file) {}

  llvm::Expected<std::vector<Entry>> entries() {
    TRY_ASSIGN(header, readHeader());
    std::vector<Entry> found;
    for (const auto &[name, offset] : header.keys) {
      if (name == "__metadata__")
        continue;
      Entry entry;
      entry.name = name;
      entry.offset = offset;
      TRY(readEntry(*header.root.get(name), entry));
      found.push_back(std::move(entry));
    }
    llvm::sort(found, [](const Entry &a, const Entry &b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    TRY(checkCoverage(found));
    return found;
  }

  /// The file's bytes of a checked entry.
  llvm::StringRef data(const Entry &entry) const {
    return file.text().substr(dataStart + entry.begin, entry.end - entry.begin);
  }

private:
  llvm::Expected<JsonObject> readHeader() {
    ByteReader reader(file);
    TRY_ASSIGN(size, reader.read<uint64_t>("header size"));
    if (size > largestHeader)
      return file.malformed(0, "header size", llvm::Twine("at most ") + llvm::Twine(largestHeader) + " bytes",
                            llvm::Twine(size));
    TRY_ASSIGN(text, reader.bytes(size, "header"));
    dataStart = reader.offset();
    return parseJsonPart(file, text, "header");
  }

  llvm::Error bad(const Entry &entry, const llvm::Twine &what, const llvm::Twine &expected, const llvm::Twine &found) {
    return file.malformed(entry.offset, what + " of tensor " + quoted(entry.name), expected, found);
  }

  llvm::Error readEntry(const llvm::json::Value &value, Entry &entry) {
    const llvm::json::Object *object = value.getAsObject();
    if (!object)
      return bad(entry, "entry", "an object", describe(value));
    for (llvm::StringRef key : {"dtype", "shape", "data_offsets"})
      if (!object->get(key))
        return bad(entry, "entry", "keys dtype, shape and data_offsets", "no " + key);
    std::optional<llvm::StringRef> dtype = object->getString("dtype");
    if (!dtype)
      return bad(entry, "dtype", "a string", describe(*object->get("dtype")));
    entry.dtype = dtype->str();
    TRY(readOffsets(*object->get("data_offsets"), entry));
    return readShape(*object->get("shape"), entry);
  }

  llvm::Error readOffsets(const llvm::json::Value &value, Entry &entry) {
    const llvm::json::Array *array = value.getAsArray();
    std::optional<uint64_t> begin, end;
    if (array && array->size() == 2) {
      begin = (*array)[0].getAsUINT64();
      end = (*array)[1].getAsUINT64();
    }
    if (!begin || !end)
      return bad(entry, "data_offsets", "two integers", array ? llvm::formatv("{0}", value).str() : describe(value));
    uint64_t available = file.size() - dataStart;
    if (*begin > *end || *end > available)
      return bad(entry, "data_offsets", llvm::formatv("a range within {0} bytes", available),
                 llvm::formatv("[{0}, {1}]", *begin, *end));
    entry.begin = *begin;
    entry.end = *end;
    return llvm::Error::success();
  }

  llvm::Error readShape(const llvm::json::Value &value, Entry &entry) {
    constexpr size_t mostDims = 8;
    const llvm::json::Array *array = value.getAsArray();
    if (!array)
      return bad(entry, "shape", "an array", describe(value));
    if (array->size() > mostDims)
      return bad(entry, "shape", llvm::formatv("at most {0} dimensions", mostDims), llvm::Twine(array->size()));
    for (const llvm::json::Value &dim : *array) {
      std::optional<int64_t> n = dim.getAsInteger();
      if (!n || *n < 1)
        return bad(entry, "shape", "dimensions of at least 1", describe(dim));
      if (__builtin_mul_overflow(entry.elements, uint64_t(*n), &entry.elements))
        return bad(entry, "shape", "fewer than 2^64 elements", "more");
      entry.shape.push_back(*n);
    }
    return llvm::Error::success();
  }

  /// Every byte belongs to exactly one tensor.
  llvm::Error checkCoverage(llvm::ArrayRef<Entry> sorted) {
    uint64_t covered = 0;
    for (const Entry &entry : sorted) {
      if (entry.begin != covered)
        return bad(entry, entry.begin < covered ? "overlapping data_offsets" : "gap before data_offsets",
                   llvm::formatv("a start at {0}", covered), llvm::Twine(entry.begin));
      covered = entry.end;
    }
    uint64_t available = file.size() - dataStart;
    if (covered != available)
      return file.malformed(dataStart + covered, "trailing bytes", llvm::formatv("{0} bytes of tensors", covered),
                            llvm::Twine(available));
    return llvm::Error::success();
  }

  const SourceFile &file;
  uint64_t dataStart = 0;
};

/// The entry's type; its bytes must be as many as the type has.
llvm::Expected<Type> typeOf(const SourceFile &file, const Entry &entry) {
  const auto *dtype = llvm::find_if(dtypes, [&](const DtypeName &d) { return d.name == entry.dtype; });
  if (dtype == std::end(dtypes))
    return file.malformed(entry.offset, "dtype of tensor " + quoted(entry.name), "F32, F16 or BF16",
                          quoted(entry.dtype));
  Type type(dtype->scalar, entry.shape);
  uint64_t available = entry.end - entry.begin, size = scalarSize(dtype->scalar);
  if (available % size || available / size != entry.elements)
    return file.malformed(entry.offset, "data_offsets of tensor " + quoted(entry.name),
                          llvm::formatv("{0} elements of {1} bytes for {2}", entry.elements, size, type),
                          countOf(available, "byte"));
  return type;
}

} // namespace

bool isRotaryTable(llvm::StringRef tensorName) {
  // transformers before 4.32 saved the buffer of every layer; the config states the same numbers.
  return tensorName.ends_with(".rotary_emb.inv_freq");
}

llvm::Error readSafetensors(const std::shared_ptr<const SourceFile> &file, TensorList &out) {
  Reader reader(*file);
  TRY_ASSIGN(entries, reader.entries());
  for (const Entry &entry : entries) {
    if (isRotaryTable(entry.name))
      continue;
    TRY_ASSIGN(type, typeOf(*file, entry));
    out.push_back(std::make_unique<StoredTensor>(entry.name, std::move(type), file, reader.data(entry)));
  }
  return llvm::Error::success();
}

} // namespace sinter
