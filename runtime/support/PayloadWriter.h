// SPDX-License-Identifier: Apache-2.0
// Appending a payload to a file, section by section, in one pass: what the compiler does last. The same sections after
// the same bytes give the same file.
#pragma once
#include "runtime/abi/Payload.h"
#include "runtime/support/File.h"
#include <string_view>
#include <vector>

namespace sinter::rt {

class PayloadWriter {
public:
  /// Opens `path`, creating it if needed, and writes after the bytes that it has (the linked executable; nothing for a
  /// payload of its own). The caller renames the file to its final place after finish().
  static Result<PayloadWriter> append(const std::string &path);

  /// A whole section at once. Names are unique, 1 to 23 bytes.
  Result<void> add(std::string_view name, const void *data, uint64_t size);

  /// A section in parts: begin(), write() any number of times, end().
  Result<void> begin(std::string_view name);
  Result<void> write(const void *data, uint64_t size);
  Result<void> end();
  /// Zero bytes up to the next multiple of `alignment` from the start of the current section.
  Result<void> alignTo(uint64_t alignment);
  /// Bytes of the current section so far.
  uint64_t position() const { return section.size; }

  /// The sections so far, with their checksums.
  const std::vector<PayloadSection> &sections() const { return table; }

  /// Writes the table and the footer. The file is complete after this and not before.
  Result<void> finish();

private:
  explicit PayloadWriter(File output) : file(std::move(output)) {}
  Result<void> flush();
  Result<void> put(const void *data, uint64_t size);

  File file;
  uint64_t offset = 0; ///< of the next byte in the file
  bool inSection = false;
  PayloadSection section{};
  std::vector<char> piece;      ///< bytes of the current section not yet written, less than a piece
  std::vector<uint64_t> pieces; ///< checksums of the current section's pieces
  std::vector<PayloadSection> table;
};

} // namespace sinter::rt
