// SPDX-License-Identifier: Apache-2.0
// Opening the payload at the end of an executable: the footer and the section table are checked at once, a section's
// checksum when it is asked for.
#pragma once
#include "runtime/abi/Payload.h"
#include "runtime/support/File.h"
#include <string_view>
#include <vector>

namespace sinter::rt {

class Payload {
public:
  /// Reads and checks the footer and the table: a file without a payload, cut short, longer than written or with a
  /// damaged table is one error that says which.
  static Result<Payload> open(const std::string &path);
  /// The payload of the running executable.
  static Result<Payload> openSelf();

  const std::string &path() const { return file.path(); }
  const File &source() const { return file; }
  uint64_t fileSize() const { return size; }
  const std::vector<PayloadSection> &sections() const { return table; }
  /// nullptr if there is none of that name.
  const PayloadSection *find(std::string_view name) const;

  /// The bytes of a section, mapped, and their checksum compared unless `check` is false.
  Result<Mapping> map(const PayloadSection &section, bool check = true) const;
  /// Compares a section's checksum, piece by piece, without keeping it in memory.
  Result<void> verify(const PayloadSection &section) const;

  /// What a wrong checksum says, for those who compute it themselves.
  tl::unexpected<Error> failDamaged(const PayloadSection &section) const;

private:
  static Result<Payload> read(File file);
  Result<void> readTable();
  File file;
  uint64_t size = 0;
  std::vector<PayloadSection> table;
};

} // namespace sinter::rt
