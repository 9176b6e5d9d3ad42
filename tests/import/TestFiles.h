// SPDX-License-Identifier: Apache-2.0
// Checkpoints built in memory and written to a folder of the test's own.
#pragma once
#include "compiler/import/Checkpoint.h"
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace sinter::test {

/// The little-endian bytes of a value.
template <typename T>
std::string le(T value) {
  return std::string(reinterpret_cast<const char *>(&value), sizeof value);
}
inline std::string floats(const std::vector<float> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
}

/// A folder that is removed with its contents.
class TempDir {
public:
  TempDir() {
    char pattern[] = "/tmp/sinter-import-XXXXXX";
    folder = mkdtemp(pattern);
  }
  ~TempDir() { std::filesystem::remove_all(folder); }
  TempDir(const TempDir &) = delete;
  TempDir &operator=(const TempDir &) = delete;

  std::string path(const std::string &name = "") const { return name.empty() ? folder : folder + "/" + name; }
  std::string write(const std::string &name, const std::string &bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  /// The message with "DIR" for the folder's changing name, and nothing for a path inside it.
  std::string withoutFolder(std::string message) const {
    for (size_t at; (at = message.find(folder)) != std::string::npos;) {
      bool inside = message[at + folder.size()] == '/';
      message.replace(at, folder.size() + inside, inside ? "" : "DIR");
    }
    return message;
  }

private:
  std::string folder;
};

/// The error of opening the path, without the folder's name; "" when it opens.
inline std::string openError(const TempDir &dir, const std::string &path) {
  auto checkpoint = openCheckpoint(path);
  return checkpoint ? "" : dir.withoutFolder(llvm::toString(checkpoint.takeError()));
}

/// A checkpoint that must open.
inline Checkpoint openGood(const std::string &path) {
  auto checkpoint = openCheckpoint(path);
  if (checkpoint)
    return std::move(*checkpoint);
  ADD_FAILURE() << llvm::toString(checkpoint.takeError());
  return {};
}

/// All elements of a tensor that must be there.
inline std::vector<float> valuesOf(const Checkpoint &checkpoint, llvm::StringRef name) {
  const WeightTensor *tensor = checkpoint.find(name);
  if (!tensor) {
    ADD_FAILURE() << "no tensor " << name.str();
    return {};
  }
  std::vector<float> out(tensor->type.numElements());
  int64_t k = tensor->type.rank() ? tensor->type.dim(-1).number() : 1;
  if (llvm::Error error = tensor->readFloats(0, int64_t(out.size()) / k, out))
    ADD_FAILURE() << llvm::toString(std::move(error));
  return out;
}

/// A safetensors file of a header and the bytes after it.
inline std::string safetensors(const std::string &header, const std::string &data) {
  return le<uint64_t>(header.size()) + header + data;
}

/// Builds GGUF files; `keys` and `infos` may be changed to what a writer never writes.
class GgufBuilder {
public:
  uint32_t version = 3;
  uint64_t numKeys = 0, numTensors = 0;
  std::string keys, infos, data;
  uint64_t alignment = 32;

  static std::string string(const std::string &text) { return le<uint64_t>(text.size()) + text; }

  GgufBuilder &raw(const std::string &key, uint32_t type, const std::string &bytes) {
    keys += string(key) + le(type) + bytes;
    ++numKeys;
    return *this;
  }
  GgufBuilder &u32(const std::string &key, uint32_t value) { return raw(key, 4, le(value)); }
  GgufBuilder &f32(const std::string &key, float value) { return raw(key, 6, le(value)); }
  GgufBuilder &str(const std::string &key, const std::string &value) { return raw(key, 8, string(value)); }
  /// An array of elements that are encoded already.
  GgufBuilder &array(const std::string &key, uint32_t element, uint64_t count, const std::string &bytes) {
    return raw(key, 9, le(element) + le(count) + bytes);
  }
  /// Dims as GGUF has them: the fastest first.
  GgufBuilder &tensor(const std::string &name, const std::vector<uint64_t> &dims, uint32_t type,
                      const std::string &bytes) {
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    info(name, dims, type, data.size());
    data += bytes;
    return *this;
  }
  GgufBuilder &info(const std::string &name, const std::vector<uint64_t> &dims, uint32_t type, uint64_t offset) {
    infos += string(name) + le<uint32_t>(dims.size());
    for (uint64_t dim : dims)
      infos += le(dim);
    infos += le(type) + le(offset);
    ++numTensors;
    return *this;
  }
  std::string build() const {
    std::string out = "GGUF" + le(version) + le(numTensors) + le(numKeys) + keys + infos;
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

/// The metadata of a llama with two heads of four.
inline GgufBuilder tinyLlama(const std::string &family = "llama") {
  GgufBuilder b;
  b.str("general.architecture", family);
  b.u32(family + ".embedding_length", 8).u32(family + ".attention.head_count", 2);
  return b;
}

} // namespace sinter::test
