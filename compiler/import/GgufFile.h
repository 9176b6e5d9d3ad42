// SPDX-License-Identifier: Apache-2.0
// The GGUF container, versions 2 and 3: metadata and tensor places, every count and offset checked against the file.
//
//   "GGUF" | u32 version | u64 tensors | u64 keys | metadata | tensor infos | padding | tensor data
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once
#include "compiler/import/ByteReader.h"
#include "ir/Type.h"
#include <map>
#include <optional>

namespace sinter {

enum class GgufType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

/// A metadata value: where its bytes lie. Checked when the file was opened, decoded when asked for.
struct GgufValue {
  GgufType type = GgufType::U8;
  GgufType element = GgufType::U8; ///< of an array
  uint64_t count = 1;              ///< of an array's elements
  uint64_t offset = 0;             ///< in the file
  llvm::StringRef bytes;           ///< a string's without its length; an array's elements as stored
};

/// Metadata by key. Getters return nothing for an absent key and an error for a value of another type.
class GgufMetadata {
public:
  explicit GgufMetadata(const SourceFile &file) : file(&file) {}

  llvm::Error add(llvm::StringRef key, const GgufValue &value, uint64_t keyOffset);
  const GgufValue *find(llvm::StringRef key) const;

  template <typename T>
  using Optional = llvm::Expected<std::optional<T>>;
  Optional<int64_t> integer(llvm::StringRef key) const; ///< from any integer type
  Optional<double> number(llvm::StringRef key) const;   ///< from any number; a float32 as its shortest decimal
  Optional<bool> boolean(llvm::StringRef key) const;
  Optional<llvm::StringRef> string(llvm::StringRef key) const;
  /// An id; the all-ones that some converters write for "none" is nothing.
  Optional<int32_t> tokenId(llvm::StringRef key) const;
  /// Arrays; empty when absent.
  llvm::Expected<std::vector<llvm::StringRef>> strings(llvm::StringRef key) const;
  llvm::Expected<std::vector<int32_t>> integers(llvm::StringRef key) const;
  llvm::Expected<std::vector<float>> floats(llvm::StringRef key) const;

  /// "PATH: metadata KEY at byte OFFSET: expected EXPECTED, found FOUND"
  llvm::Error bad(llvm::StringRef key, const llvm::Twine &expected, const llvm::Twine &found) const;
  llvm::Error wrongType(llvm::StringRef key, const llvm::Twine &expected) const;

private:
  llvm::Expected<const GgufValue *> array(llvm::StringRef key, llvm::StringRef expected,
                                          llvm::ArrayRef<GgufType> elements) const;
  const SourceFile *file;
  std::map<llvm::StringRef, GgufValue> values;
};

struct GgufTensor {
  llvm::StringRef name;
  uint64_t infoOffset = 0; ///< of its entry in the file, for messages
  Type type;               ///< dims in Hugging Face's order: the file's reversed
  uint64_t offset = 0;     ///< in the tensor data
  llvm::StringRef data;
};

struct GgufFile {
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors; ///< in the file's order
};

/// Reads header, metadata and tensor infos.
llvm::Expected<GgufFile> readGguf(const SourceFile &file);

/// True when the file starts with GGUF's magic.
bool isGguf(const SourceFile &file);

/// Reads the metadata section: `count` keys (GgufMetadata.cpp).
llvm::Expected<GgufMetadata> readGgufMetadata(const SourceFile &file, ByteReader &reader, uint64_t count);

/// A string: u64 length and UTF-8 bytes (GgufMetadata.cpp).
llvm::Expected<llvm::StringRef> readGgufString(const SourceFile &file, ByteReader &reader, const llvm::Twine &what);

} // namespace sinter
