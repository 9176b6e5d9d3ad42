// SPDX-License-Identifier: Apache-2.0
// GGUF's header and tensor infos.
#include "compiler/import/GgufFile.h"
#include "compiler/import/GgmlTypes.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

namespace sinter {

namespace {

constexpr llvm::StringLiteral magic = "GGUF";
// A name's length, the number of dims, one dim, type and offset.
constexpr uint64_t shortestInfo = 8 + 4 + 8 + 4 + 8;
constexpr uint64_t defaultAlignment = 32, largestAlignment = 1 << 16;

class Reader {
public:
  explicit Reader(const SourceFile &file) : file(file), reader(file) {}

  llvm::Expected<GgufFile> read() {
    TRY(readHeader());
    TRY_ASSIGN(metadata, readGgufMetadata(file, reader, numKeys));
    GgufFile out{std::move(metadata), {}};
    TRY(readAlignment(out.metadata));
    TRY(readInfos(out.tensors));
    TRY(placeTensors(out.tensors));
    return out;
  }

private:
  llvm::Error readHeader() {
    TRY_ASSIGN(start, reader.bytes(magic.size(), "magic"));
    if (start != magic)
      return file.malformed(0, "magic", "'GGUF'", quoted(start));
    TRY_ASSIGN(version, reader.read<uint32_t>("version"));
    if (llvm::byteswap(version) == 2 || llvm::byteswap(version) == 3)
      return file.malformed(4, "version", "a little-endian file", "a big-endian one");
    if (version != 2 && version != 3)
      return file.malformed(4, "version", "2 or 3", llvm::Twine(version));
    TRY_ASSIGN(tensors, reader.read<uint64_t>("number of tensors"));
    TRY_ASSIGN(keys, reader.read<uint64_t>("number of metadata keys"));
    numTensors = tensors;
    numKeys = keys;
    return llvm::Error::success();
  }

  llvm::Error readAlignment(const GgufMetadata &metadata) {
    constexpr llvm::StringLiteral key = "general.alignment";
    TRY_ASSIGN(given, metadata.integer(key));
    if (given && (*given < 1 || uint64_t(*given) > largestAlignment || !llvm::isPowerOf2_64(*given)))
      return metadata.bad(key, llvm::formatv("a power of two up to {0}", largestAlignment), llvm::Twine(*given));
    alignment = given.value_or(defaultAlignment);
    return llvm::Error::success();
  }

  llvm::Error readInfos(std::vector<GgufTensor> &out) {
    constexpr uint64_t countAt = 8; // in the header
    if (numTensors == 0)
      return file.malformed(countAt, "number of tensors", "at least 1", "0");
    if (numTensors > reader.remaining() / shortestInfo)
      return file.malformed(
          countAt, "number of tensors",
          llvm::formatv("at most the {0} that the file has room for", reader.remaining() / shortestInfo),
          llvm::Twine(numTensors));
    llvm::StringSet<> names;
    for (uint64_t i = 0; i < numTensors; ++i) {
      GgufTensor tensor;
      TRY(readInfo(tensor));
      if (!names.insert(tensor.name).second)
        return bad(tensor, "name", "each name once", "a second one");
      out.push_back(std::move(tensor));
    }
    return llvm::Error::success();
  }

  llvm::Error readInfo(GgufTensor &tensor) {
    tensor.infoOffset = reader.offset();
    TRY_ASSIGN(name, readGgufString(file, reader, "tensor name"));
    if (name.empty())
      return file.malformed(tensor.infoOffset, "tensor name", "a name", "an empty one");
    tensor.name = name;
    llvm::SmallVector<Dim, 3> shape;
    TRY(readDims(tensor, shape));
    TRY_ASSIGN(element, readElement(tensor));
    tensor.type = Type(element, shape);
    if (shape.back().number() % blockElements(element))
      return bad(tensor, "shape", llvm::formatv("rows of a multiple of {0} elements", blockElements(element)),
                 llvm::Twine(shape.back().number()));
    TRY_ASSIGN(offset, reader.read<uint64_t>("offset of tensor " + quoted(tensor.name)));
    if (offset % alignment)
      return bad(tensor, "offset", llvm::formatv("a multiple of {0}", alignment), llvm::Twine(offset));
    tensor.offset = offset;
    return llvm::Error::success();
  }

  llvm::Error readDims(const GgufTensor &tensor, llvm::SmallVectorImpl<Dim> &shape) {
    TRY_ASSIGN(rank, reader.read<uint32_t>("number of dimensions of tensor " + quoted(tensor.name)));
    if (rank < 1 || rank > 4)
      return bad(tensor, "shape", "1 to 4 dimensions", llvm::Twine(rank));
    uint64_t elements = 1;
    for (uint32_t i = 0; i < rank; ++i) {
      TRY_ASSIGN(dim, reader.read<uint64_t>("dimensions of tensor " + quoted(tensor.name)));
      if (dim < 1)
        return bad(tensor, "shape", "dimensions of at least 1", "0");
      // The bytes of any type are fewer than 8 times the elements: below 2^60, neither count overflows.
      if (__builtin_mul_overflow(elements, dim, &elements) || elements >= uint64_t(1) << 60)
        return bad(tensor, "shape", "fewer than 2^60 elements", "more");
      shape.insert(shape.begin(), Dim(int64_t(dim)));
    }
    return llvm::Error::success();
  }

  llvm::Expected<ElementType> readElement(const GgufTensor &tensor) {
    TRY_ASSIGN(id, reader.read<uint32_t>("type of tensor " + quoted(tensor.name)));
    const GgmlType *type = findGgmlType(id);
    if (!type)
      return bad(tensor, "type", "a ggml type", llvm::Twine("id ") + llvm::Twine(id));
    if (std::optional<ElementType> element = elementTypeOf(*type))
      return *element;
    return bad(tensor, "type", "one of " + supportedGgmlTypes(), type->name);
  }

  /// Finds the tensors' bytes: within the file, and no byte in two tensors.
  llvm::Error placeTensors(llvm::MutableArrayRef<GgufTensor> tensors) {
    uint64_t dataStart = llvm::alignTo(reader.offset(), alignment);
    uint64_t available = dataStart < file.size() ? file.size() - dataStart : 0;
    std::vector<const GgufTensor *> sorted;
    for (GgufTensor &tensor : tensors) {
      uint64_t size = storedBytes(tensor.type.element, tensor.type.numElements());
      if (tensor.offset > available || size > available - tensor.offset)
        return bad(tensor, "offset", llvm::formatv("{0} bytes within the {1} of tensor data", size, available),
                   llvm::formatv("them at {0}", tensor.offset));
      tensor.data = file.text().substr(dataStart + tensor.offset, size);
      sorted.push_back(&tensor);
    }
    llvm::sort(sorted, [](const GgufTensor *a, const GgufTensor *b) {
      return std::tie(a->offset, a->infoOffset) < std::tie(b->offset, b->infoOffset);
    });
    for (size_t i = 1; i < sorted.size(); ++i) {
      const GgufTensor &before = *sorted[i - 1], &tensor = *sorted[i];
      if (tensor.offset < before.offset + before.data.size())
        return bad(
            tensor, "offset",
            llvm::formatv("at least {0}, the end of {1}", before.offset + before.data.size(), quoted(before.name)),
            llvm::Twine(tensor.offset));
    }
    return llvm::Error::success();
  }

  llvm::Error bad(const GgufTensor &tensor, const llvm::Twine &what, const llvm::Twine &expected,
                  const llvm::Twine &found) {
    return file.malformed(tensor.infoOffset, what + " of tensor " + quoted(tensor.name), expected, found);
  }

  const SourceFile &file;
  ByteReader reader;
  uint64_t numTensors = 0, numKeys = 0, alignment = defaultAlignment;
};

} // namespace

bool isGguf(const SourceFile &file) { return file.text().starts_with(magic); }

llvm::Expected<GgufFile> readGguf(const SourceFile &file) { return Reader(file).read(); }

} // namespace sinter
