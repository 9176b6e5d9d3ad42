// SPDX-License-Identifier: Apache-2.0
// A file mapped read-only, and the one form in which its problems are reported. Its bytes are hostile until checked.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>

namespace sinter {

class SourceFile {
public:
  /// Maps a regular file. Errors: it does not exist, is a directory or a device, cannot be read.
  static llvm::Expected<std::shared_ptr<const SourceFile>> open(llvm::StringRef path);

  const std::string &path() const { return filePath; }
  /// The last part of the path.
  llvm::StringRef name() const;
  llvm::StringRef text() const { return buffer->getBuffer(); }
  uint64_t size() const { return buffer->getBufferSize(); }

  /// "PATH: MESSAGE at byte OFFSET: expected EXPECTED, found FOUND"
  llvm::Error malformed(uint64_t offset, const llvm::Twine &message, const llvm::Twine &expected,
                        const llvm::Twine &found) const;
  /// "PATH: MESSAGE", for what has no single place in the file.
  llvm::Error error(const llvm::Twine &message) const;

private:
  SourceFile(llvm::StringRef path, std::unique_ptr<llvm::MemoryBuffer> buffer);
  std::string filePath;
  std::unique_ptr<llvm::MemoryBuffer> buffer;
};

/// A string of the file between quotes, fit for a terminal: control and non-ASCII bytes escaped, long ones cut.
std::string quoted(llvm::StringRef text);

/// "3 bytes", "1 byte"
std::string countOf(uint64_t n, llvm::StringRef noun);

/// The offset of the first byte that is not UTF-8, or npos.
size_t findInvalidUtf8(llvm::StringRef text);

} // namespace sinter
