// SPDX-License-Identifier: Apache-2.0
// Allocations and the order of accesses.
#include "tests/runtime/fake_cuda/FakeMemory.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <sys/mman.h>

namespace sinter::rt {
namespace {

std::byte *bytesAt(uint64_t address) { return reinterpret_cast<std::byte *>(address); }

std::string hex(uint64_t address) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

std::string describe(const FakeAllocation &memory) {
  return (memory.host ? "pinned allocation " : "device allocation ") + std::to_string(memory.number) + " of " +
         std::to_string(memory.size) + " bytes";
}

size_t wholePages(uint64_t bytes) { return (bytes + 4095) / 4096 * 4096; }

uint64_t checksumOf(const FakeAccess &access) {
  return std::hash<std::string_view>()(
      {reinterpret_cast<const char *>(access.begin), static_cast<size_t>(access.end - access.begin)});
}

} // namespace

void violation(const std::string &text) {
  std::fprintf(stderr, "fake CUDA: %s\n", text.c_str());
  std::fflush(nullptr);
  std::_Exit(97);
}

uint64_t FakeMemory::allocate(uint64_t bytes, bool host) {
  void *memory = mmap(nullptr, wholePages(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    violation("this machine has no " + std::to_string(bytes) + " bytes");
  std::memset(memory, 0xFF, bytes); // what nobody wrote is NaN
  auto begin = reinterpret_cast<uint64_t>(memory);
  live[begin] = {begin, bytes, host, ++made, false};
  return begin;
}

void FakeMemory::release(uint64_t address) {
  auto found = live.find(address);
  if (found == live.end())
    violation("memory at " + hex(address) + " is given back, which is no allocation");
  void *memory = reinterpret_cast<void *>(address);
  size_t bytes = wholePages(found->second.size);
  if (mmap(memory, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
    violation("memory at " + hex(address) + " cannot be closed");
  live.erase(found);
  ++releases;
}

FakeAllocation *FakeMemory::find(uint64_t address, bool orEnd) {
  auto after = live.upper_bound(address);
  if (after == live.begin())
    return nullptr;
  FakeAllocation &found = std::prev(after)->second;
  return address < found.end() || (orEnd && address == found.end()) ? &found : nullptr;
}

FakeAllocation &FakeMemory::require(uint64_t begin, uint64_t end, bool host, const std::string &what) {
  FakeAllocation *found = find(begin);
  if (!found)
    violation(what + ": " + hex(begin) + " is in no allocation, or in one that was given back");
  if (found->host != host)
    violation(what + ": expected memory of the " + (host ? "host" : "device") + ", found " + describe(*found));
  if (end > found->end())
    violation(what + ": ends " + std::to_string(end - found->end()) + " bytes behind " + describe(*found));
  return *found;
}

void FakeClock::join(const FakeClock &other) {
  counts.resize(std::max(counts.size(), other.counts.size()));
  for (size_t i = 0; i < other.counts.size(); ++i)
    counts[i] = std::max(counts[i], other.counts[i]);
}

uint64_t FakeClock::advance(size_t stream) {
  counts.resize(std::max(counts.size(), stream + 1));
  return ++counts[stream];
}

void FakeOrder::add(FakeStream &stream, const std::vector<FakeAccess> &accesses, bool watch,
                    std::vector<std::byte> arrives) {
  stream.clock.join(host);
  for (const Operation &other : pending) {
    if (stream.clock.has(other.stream, other.count))
      continue;
    for (const FakeAccess &before : other.accesses)
      for (const FakeAccess &now : accesses)
        if ((before.write || now.write) && before.begin < now.end && now.begin < before.end)
          violation(now.what + " is not ordered after " + before.what + ", which uses the same memory");
  }
  uint64_t count = stream.clock.advance(stream.number);
  if (!arrives.empty())
    std::fill(bytesAt(accesses[0].begin), bytesAt(accesses[0].end), std::byte{0xFF});
  pending.push_back({stream.number, count, accesses, watch, watch ? checksumOf(accesses[0]) : 0, std::move(arrives)});
}

void FakeOrder::finish(const Operation &operation) {
  if (operation.watch && checksumOf(operation.accesses[0]) != operation.checksum)
    violation(operation.accesses[0].what + ": the host changed it before the copy was known to be done");
  std::ranges::copy(operation.arrives, bytesAt(operation.accesses[0].begin));
}

void FakeOrder::hostWaits(const FakeClock &clock) {
  host.join(clock);
  for (const Operation &operation : pending)
    if (host.has(operation.stream, operation.count))
      finish(operation);
  std::erase_if(pending, [&](const Operation &one) { return host.has(one.stream, one.count); });
}

void FakeOrder::requireUnused(const FakeAllocation &memory) const {
  for (const Operation &operation : pending)
    for (const FakeAccess &access : operation.accesses)
      if (access.begin < memory.end() && memory.begin < access.end)
        violation(describe(memory) + " is given back while " + access.what + " may be under way");
}

} // namespace sinter::rt
