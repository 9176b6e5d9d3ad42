// SPDX-License-Identifier: Apache-2.0
// The payload writer: buffers one piece, writes and checksums it. Writes are a piece long, which lets file systems keep
// the file in large pages.
#include "runtime/support/PayloadWriter.h"
#include "runtime/support/PayloadChecksum.h"
#include <algorithm>
#include <cassert>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace sinter::rt {

Result<PayloadWriter> PayloadWriter::append(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    return failSystem(path, "cannot open for writing");
  PayloadWriter writer(File(fd, path));
  off_t end = lseek(fd, 0, SEEK_END);
  if (end < 0)
    return failSystem(path, "cannot seek");
  writer.offset = static_cast<uint64_t>(end);
  return writer;
}

Result<void> PayloadWriter::put(const void *data, uint64_t size) {
  Result<void> written = file.write(data, size);
  offset += size;
  return written;
}

Result<void> PayloadWriter::begin(std::string_view name) {
  assert(!inSection && "begin() inside a section");
  if (name.empty() || name.size() >= sizeof(section.name))
    return fail("payload section name '" + std::string(name) + "' has " + std::to_string(name.size()) +
                " bytes, expected 1 to 23");
  section = {};
  std::memcpy(section.name, name.data(), name.size());
  for (const PayloadSection &other : table)
    if (std::memcmp(other.name, section.name, sizeof(section.name)) == 0)
      return fail("payload section '" + std::string(name) + "' is written twice");
  std::vector<char> padding((payloadAlignment - offset % payloadAlignment) % payloadAlignment, '\0');
  if (Result<void> written = put(padding.data(), padding.size()); !written)
    return written;
  section.offset = offset;
  inSection = true;
  return {};
}

Result<void> PayloadWriter::flush() {
  pieces.push_back(payloadPieceChecksum(piece.data(), piece.size()));
  Result<void> written = put(piece.data(), piece.size());
  piece.clear();
  return written;
}

Result<void> PayloadWriter::write(const void *data, uint64_t size) {
  assert(inSection && "write() outside a section");
  const char *bytes = static_cast<const char *>(data);
  section.size += size;
  while (size > 0) {
    uint64_t part = std::min(size, payloadPieceBytes - piece.size());
    piece.insert(piece.end(), bytes, bytes + part);
    bytes += part;
    size -= part;
    if (piece.size() == payloadPieceBytes)
      if (Result<void> written = flush(); !written)
        return written;
  }
  return {};
}

Result<void> PayloadWriter::alignTo(uint64_t alignment) {
  std::vector<char> padding((alignment - section.size % alignment) % alignment, '\0');
  return write(padding.data(), padding.size());
}

Result<void> PayloadWriter::end() {
  assert(inSection && "end() outside a section");
  if (!piece.empty())
    if (Result<void> written = flush(); !written)
      return written;
  section.checksum = combinePieceChecksums(pieces, section.size);
  pieces.clear();
  table.push_back(section);
  inSection = false;
  return {};
}

Result<void> PayloadWriter::add(std::string_view name, const void *data, uint64_t size) {
  if (Result<void> begun = begin(name); !begun)
    return begun;
  if (Result<void> written = write(data, size); !written)
    return written;
  return end();
}

Result<void> PayloadWriter::finish() {
  assert(!inSection && "finish() inside a section");
  std::vector<char> padding((8 - offset % 8) % 8, '\0');
  if (Result<void> written = put(padding.data(), padding.size()); !written)
    return written;
  PayloadFooter footer{};
  footer.tableOffset = offset;
  footer.count = table.size();
  uint64_t tableBytes = table.size() * sizeof(PayloadSection);
  footer.tableChecksum = payloadChecksum(table.data(), tableBytes);
  footer.fileSize = offset + tableBytes + sizeof(footer);
  std::memcpy(footer.magic, payloadMagic, sizeof(payloadMagic));
  if (Result<void> written = put(table.data(), tableBytes); !written)
    return written;
  if (Result<void> written = put(&footer, sizeof(footer)); !written)
    return written;
  file.close();
  return {};
}

} // namespace sinter::rt
