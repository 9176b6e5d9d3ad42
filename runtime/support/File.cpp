// SPDX-License-Identifier: Apache-2.0
// Files over POSIX calls, with the path in every message.
#include "runtime/support/File.h"
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sinter::rt {

tl::unexpected<Error> failSystem(const std::string &path, const char *what) {
  return fail(path + ": " + what + ": " + std::strerror(errno));
}

File &File::operator=(File &&other) noexcept {
  if (this != &other) {
    close();
    fd = std::exchange(other.fd, -1);
    name = std::move(other.name);
  }
  return *this;
}

void File::close() {
  if (fd >= 0)
    ::close(fd);
  fd = -1;
}

Result<File> File::openForReading(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return failSystem(path, "cannot open");
  return File(fd, path);
}

void File::nameAfterLink() {
  char target[4096];
  ssize_t length = readlink(name.c_str(), target, sizeof(target));
  if (length > 0)
    name.assign(target, static_cast<size_t>(length));
}

Result<uint64_t> File::size() const {
  struct stat status;
  if (fstat(fd, &status) != 0)
    return failSystem(name, "cannot read the size");
  if (!S_ISREG(status.st_mode))
    return fail(name + ": not a regular file");
  return static_cast<uint64_t>(status.st_size);
}

Result<void> File::readAt(uint64_t offset, void *into, uint64_t size) const {
  char *to = static_cast<char *>(into);
  for (uint64_t done = 0; done < size;) {
    ssize_t got = ::pread(fd, to + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return failSystem(name, "cannot read");
    if (got == 0)
      return fail(name + ": ends at byte " + std::to_string(offset + done) + ", expected " +
                  std::to_string(size - done) + " more");
    done += static_cast<uint64_t>(got);
  }
  return {};
}

Result<void> File::write(const void *from, uint64_t size) {
  const char *bytes = static_cast<const char *>(from);
  for (uint64_t done = 0; done < size;) {
    ssize_t put = ::write(fd, bytes + done, size - done);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return failSystem(name, "cannot write");
    done += static_cast<uint64_t>(put);
  }
  return {};
}

Mapping::Mapping(Mapping &&other) noexcept
    : base(std::exchange(other.base, nullptr)), size(std::exchange(other.size, 0)) {}

Mapping &Mapping::operator=(Mapping &&other) noexcept {
  if (this != &other) {
    unmap();
    base = std::exchange(other.base, nullptr);
    size = std::exchange(other.size, 0);
  }
  return *this;
}

void Mapping::unmap() {
  if (base)
    munmap(const_cast<std::byte *>(base), size);
  base = nullptr;
}

Result<Mapping> Mapping::map(const File &file, uint64_t offset, uint64_t size) {
  Mapping mapping;
  if (size == 0)
    return mapping;
  // Reserve room for every phase of a huge page, put the file at the one it has, and give the rest back.
  constexpr uint64_t hugePage = 2 << 20;
  uint64_t pages = (size + 4095) / 4096 * 4096, reserved = pages + hugePage;
  void *room = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED)
    return failSystem(file.path(), "cannot map");
  std::byte *start = static_cast<std::byte *>(room);
  uint64_t skip = (offset - reinterpret_cast<uint64_t>(start)) % hugePage;
  void *placed =
      mmap(start + skip, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file.descriptor(), static_cast<off_t>(offset));
  if (placed == MAP_FAILED) {
    auto error = failSystem(file.path(), "cannot map");
    munmap(room, reserved);
    return error;
  }
  if (skip)
    munmap(start, skip);
  munmap(start + skip + pages, reserved - skip - pages);
  madvise(placed, size, MADV_HUGEPAGE); // advice only: where the file system has no huge pages, small ones do
  mapping.base = static_cast<const std::byte *>(placed);
  mapping.size = size;
  return mapping;
}

Result<std::string> readWholeFile(const std::string &path) {
  Result<File> opened = path == "-" ? File(dup(STDIN_FILENO), "standard input") : File::openForReading(path);
  if (!opened)
    return tl::unexpected(opened.error());
  const File &file = *opened;
  std::string text;
  for (std::string buffer(1 << 16, '\0');;) {
    ssize_t got = ::read(file.descriptor(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return failSystem(file.path(), "cannot read");
    if (got == 0)
      return text;
    text.append(buffer, 0, static_cast<size_t>(got));
  }
}

Result<OutputFile> OutputFile::create(const std::string &path) {
  std::string temporary = path + ".XXXXXX";
  int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0)
    return failSystem(path, "cannot create");
  mode_t mask = umask(0);
  umask(mask);
  fchmod(fd, 0666 & ~mask);
  return OutputFile(File(fd, temporary), path);
}

OutputFile::~OutputFile() {
  if (file.descriptor() >= 0)
    unlink(file.path().c_str());
}

Result<void> OutputFile::commit() {
  if (rename(file.path().c_str(), target.c_str()) != 0)
    return failSystem(target, "cannot rename the finished file to it");
  file.close();
  return {};
}

} // namespace sinter::rt
