// SPDX-License-Identifier: Apache-2.0
// Checks of the payload's footer and table, all before a byte of a section is believed.
#include "runtime/support/Payload.h"
#include "runtime/support/PayloadChecksum.h"
#include <algorithm>
#include <cstring>

namespace sinter::rt {
namespace {

std::string_view nameOf(const PayloadSection &section) {
  return {section.name, strnlen(section.name, sizeof(section.name))};
}

} // namespace

Result<Payload> Payload::open(const std::string &path) {
  Result<File> file = File::openForReading(path);
  if (!file)
    return tl::unexpected(file.error());
  return read(std::move(*file));
}

Result<Payload> Payload::openSelf() {
  Result<File> file = File::openForReading("/proc/self/exe");
  if (!file)
    return tl::unexpected(file.error());
  file->nameAfterLink();
  return read(std::move(*file));
}

Result<Payload> Payload::read(File file) {
  Payload payload;
  payload.file = std::move(file);
  Result<void> read = payload.readTable();
  if (!read)
    return tl::unexpected(read.error());
  return payload;
}

Result<void> Payload::readTable() {
  Result<uint64_t> fileSize = file.size();
  if (!fileSize)
    return tl::unexpected(fileSize.error());
  size = *fileSize;
  PayloadFooter footer;
  if (size < sizeof(footer))
    return fail(path() + ": no model in this file: " + std::to_string(size) + " bytes are too few for a payload");
  if (Result<void> read = file.readAt(size - sizeof(footer), &footer, sizeof(footer)); !read)
    return read;
  if (std::memcmp(footer.magic, payloadMagic, sizeof(payloadMagic)) != 0)
    return fail(path() + ": no payload at the end of this file: it was cut short, changed or never had one");
  if (footer.fileSize != size)
    return fail(path() + ": written with " + std::to_string(footer.fileSize) + " bytes, has " + std::to_string(size));
  uint64_t tableEnd = size - sizeof(footer);
  if (footer.tableOffset > tableEnd || (tableEnd - footer.tableOffset) % sizeof(PayloadSection) != 0 ||
      (tableEnd - footer.tableOffset) / sizeof(PayloadSection) != footer.count || footer.count > 1024)
    return fail(path() + ": the payload's table is damaged: " + std::to_string(footer.count) + " sections at byte " +
                std::to_string(footer.tableOffset) + " of " + std::to_string(size));
  table.resize(footer.count);
  uint64_t tableBytes = footer.count * sizeof(PayloadSection);
  if (Result<void> read = file.readAt(footer.tableOffset, table.data(), tableBytes); !read)
    return read;
  if (payloadChecksum(table.data(), tableBytes) != footer.tableChecksum)
    return fail(path() + ": the payload's table is damaged: its checksum is wrong");
  for (const PayloadSection &section : table)
    if (section.offset % payloadAlignment != 0 || section.offset > footer.tableOffset ||
        section.size > footer.tableOffset - section.offset)
      return fail(path() + ": section '" + std::string(nameOf(section)) + "' lies outside the payload");
  return {};
}

const PayloadSection *Payload::find(std::string_view name) const {
  auto found = std::find_if(table.begin(), table.end(), [&](const auto &section) { return nameOf(section) == name; });
  return found == table.end() ? nullptr : &*found;
}

Result<Mapping> Payload::map(const PayloadSection &section, bool check) const {
  Result<Mapping> mapping = Mapping::map(file, section.offset, section.size);
  if (mapping && check && payloadChecksum(mapping->bytes().data(), section.size) != section.checksum)
    return failDamaged(section);
  return mapping;
}

Result<void> Payload::verify(const PayloadSection &section) const {
  std::vector<char> piece(std::min(section.size, payloadPieceBytes));
  std::vector<uint64_t> sums;
  for (uint64_t at = 0; at < section.size; at += payloadPieceBytes) {
    uint64_t length = std::min(payloadPieceBytes, section.size - at);
    if (Result<void> read = file.readAt(section.offset + at, piece.data(), length); !read)
      return read;
    sums.push_back(payloadPieceChecksum(piece.data(), length));
  }
  if (combinePieceChecksums(sums, section.size) != section.checksum)
    return failDamaged(section);
  return {};
}

tl::unexpected<Error> Payload::failDamaged(const PayloadSection &section) const {
  return fail(path() + ": section '" + std::string(nameOf(section)) + "' is damaged: its checksum is wrong (" +
              std::to_string(section.size) + " bytes at byte " + std::to_string(section.offset) + ")");
}

} // namespace sinter::rt
