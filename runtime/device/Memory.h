// SPDX-License-Identifier: Apache-2.0
// Anonymous memory straight from the system: zero, page-aligned, committed only where it is touched.
#pragma once
#include "runtime/support/Error.h"
#include <cstddef>
#include <cstdint>

namespace sinter::rt {

class Memory {
public:
  /// Huge pages pay where whole megabytes are streamed every step; small ones where little of much is ever touched.
  enum class Pages { Small, Huge };

  Memory() = default;
  Memory(Memory &&other) noexcept;
  Memory &operator=(Memory &&other) noexcept;
  ~Memory() { release(); }

  /// `what` names it in the error: "the KV cache".
  static Result<Memory> allocate(uint64_t bytes, Pages pages, const char *what);

  std::byte *data() const { return base; }
  uint64_t size() const { return bytes; }

private:
  void release();
  std::byte *base = nullptr;
  uint64_t bytes = 0;
};

/// The memory that this process has resident, in bytes.
uint64_t residentBytes();

/// The most memory that this process has had resident, in bytes (VmHWM).
uint64_t peakResidentBytes();

} // namespace sinter::rt
