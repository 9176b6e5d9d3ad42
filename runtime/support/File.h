// SPDX-License-Identifier: Apache-2.0
// Files, the little that the runtime needs of them: an owned descriptor, whole reads at an offset, read-only mappings,
// and outputs that appear under their name only once they are complete.
#pragma once
#include "runtime/support/Error.h"
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace sinter::rt {

/// "PATH: WHAT: the reason errno has", for a system call that just failed.
tl::unexpected<Error> failSystem(const std::string &path, const char *what);

/// A file descriptor that closes itself.
class File {
public:
  File() = default;
  File(int descriptor, std::string path) : fd(descriptor), name(std::move(path)) {}
  File(File &&other) noexcept : fd(std::exchange(other.fd, -1)), name(std::move(other.name)) {}
  File &operator=(File &&other) noexcept;
  ~File() { close(); }

  static Result<File> openForReading(const std::string &path);

  int descriptor() const { return fd; }
  const std::string &path() const { return name; }
  /// For a path that is a symbolic link (/proc/self/exe): says what it points at from now on.
  void nameAfterLink();
  Result<uint64_t> size() const;
  /// Exactly `size` bytes from `offset`; a file that ends before is an error.
  Result<void> readAt(uint64_t offset, void *into, uint64_t size) const;
  Result<void> write(const void *from, uint64_t size);
  void close();

private:
  int fd = -1;
  std::string name;
};

/// Bytes of a file, mapped read-only and shared with everybody else who maps them.
class Mapping {
public:
  Mapping() = default;
  Mapping(Mapping &&other) noexcept;
  Mapping &operator=(Mapping &&other) noexcept;
  ~Mapping() { unmap(); }

  /// `offset` is a multiple of the page size. The address is congruent to the offset modulo 2 MiB, so that page cache
  /// in huge pages is mapped in huge pages. An empty range maps nothing.
  static Result<Mapping> map(const File &file, uint64_t offset, uint64_t size);

  std::span<const std::byte> bytes() const { return {base, size}; }

private:
  void unmap();
  const std::byte *base = nullptr;
  uint64_t size = 0;
};

/// The whole of a file (or of standard input, for "-") as text.
Result<std::string> readWholeFile(const std::string &path);

/// A file being written beside its final place: commit() renames it there, anything else removes it.
class OutputFile {
public:
  OutputFile(OutputFile &&) = default;
  ~OutputFile();
  static Result<OutputFile> create(const std::string &path);
  Result<void> write(const void *from, uint64_t size) { return file.write(from, size); }
  Result<void> commit();

private:
  OutputFile(File temporary, std::string finalPath) : file(std::move(temporary)), target(std::move(finalPath)) {}
  File file;
  std::string target;
};

} // namespace sinter::rt
