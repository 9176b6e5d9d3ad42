// SPDX-License-Identifier: Apache-2.0
// A cursor over a file's little-endian bytes that never reads past the end: what is missing is an error with its place.
#pragma once
#include "compiler/import/SourceFile.h"
#include "llvm/Support/Endian.h"

namespace sinter {

class ByteReader {
public:
  explicit ByteReader(const SourceFile &file) : file(file) {}

  uint64_t offset() const { return position; }
  uint64_t remaining() const { return file.size() - position; }

  /// The next `count` bytes. `what` names them: "truncated WHAT at byte OFFSET: expected 8 bytes, found 3".
  llvm::Expected<llvm::StringRef> bytes(uint64_t count, const llvm::Twine &what) {
    if (count > remaining())
      return file.malformed(position, "truncated " + what, countOf(count, "byte"), llvm::Twine(remaining()));
    llvm::StringRef found = file.text().substr(position, count);
    position += count;
    return found;
  }

  template <typename T>
  llvm::Expected<T> read(const llvm::Twine &what) {
    auto found = bytes(sizeof(T), what);
    if (!found)
      return found.takeError();
    return llvm::support::endian::read<T, llvm::endianness::little, llvm::support::unaligned>(found->data());
  }

private:
  const SourceFile &file;
  uint64_t position = 0;
};

} // namespace sinter
