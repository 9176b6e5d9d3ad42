// SPDX-License-Identifier: Apache-2.0
// Anonymous mappings. Huge ones start at a multiple of 2 MiB.
#include "runtime/device/Memory.h"
#include "runtime/support/Format.h"
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <utility>

namespace sinter::rt {

Memory::Memory(Memory &&other) noexcept
    : base(std::exchange(other.base, nullptr)), bytes(std::exchange(other.bytes, 0)) {}

Memory &Memory::operator=(Memory &&other) noexcept {
  if (this != &other) {
    release();
    base = std::exchange(other.base, nullptr);
    bytes = std::exchange(other.bytes, 0);
  }
  return *this;
}

void Memory::release() {
  if (base)
    munmap(base, bytes);
  base = nullptr;
}

Result<Memory> Memory::allocate(uint64_t size, Pages pages, const char *what) {
  Memory memory;
  if (size == 0)
    return memory;
  uint64_t grain = pages == Pages::Huge && size >= 2 << 20 ? 2 << 20 : 4096;
  uint64_t rounded = (size + grain - 1) / grain * grain, reserved = rounded + grain - 4096;
  void *room = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED)
    return fail("cannot get " + formatBytes(size) + " of memory for " + what + ": " + std::strerror(errno));
  std::byte *start = static_cast<std::byte *>(room);
  uint64_t skip = -reinterpret_cast<uint64_t>(start) % grain;
  if (skip)
    munmap(start, skip);
  if (uint64_t after = reserved - skip - rounded)
    munmap(start + skip + rounded, after);
  memory.base = start + skip;
  memory.bytes = rounded;
  // Advice only: a system without transparent huge pages runs with small ones.
  madvise(memory.base, rounded, grain > 4096 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return memory;
}

namespace {

/// A line of /proc/self/status that counts KiB; 0 where there is none.
uint64_t bytesOfStatus(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name))
      return std::stoull(line.substr(name.size())) * 1024;
  return 0;
}

} // namespace

uint64_t residentBytes() { return bytesOfStatus("VmRSS:"); }

uint64_t peakResidentBytes() { return bytesOfStatus("VmHWM:"); }

} // namespace sinter::rt
