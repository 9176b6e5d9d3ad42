// SPDX-License-Identifier: Apache-2.0
// The memory that the fake driver has handed out, and the order of what streams do with it. A GPU would fault, or give
// wrong answers now and then, on what is told by violation() here, always.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sinter::rt {

/// Says what is wrong with the use of the driver, and ends the process with exit code 97.
[[noreturn]] void violation(const std::string &text);

struct FakeAllocation {
  uint64_t begin = 0, size = 0;
  bool host = false;
  int number = 0;
  bool tensorMaps = false; ///< an encoded tensor map was copied to it
  uint64_t end() const { return begin + size; }
};

/// By address. What is given back is closed, so that nothing can use it and no later allocation gets its address.
class FakeMemory {
public:
  uint64_t allocate(uint64_t bytes, bool host);
  void release(uint64_t address);
  /// The live allocation of [begin, end), which must be one of the device (or of the host).
  FakeAllocation &require(uint64_t begin, uint64_t end, bool host, const std::string &what);
  /// The live allocation that `address` is in or, with `orEnd`, ends; null if there is none.
  FakeAllocation *find(uint64_t address, bool orEnd = false);
  int64_t releases = 0; ///< so far

private:
  std::map<uint64_t, FakeAllocation> live;
  int made = 0;
};

/// How far every stream is known to be, by the stream's number: what had been done when something was asked for.
class FakeClock {
public:
  bool has(size_t stream, uint64_t count) const {
    return count == 0 || (stream < counts.size() && counts[stream] >= count);
  }
  void join(const FakeClock &other);
  uint64_t advance(size_t stream);
  uint64_t of(size_t stream) const { return stream < counts.size() ? counts[stream] : 0; }

private:
  std::vector<uint64_t> counts;
};

struct FakeStream {
  size_t number;
  FakeClock clock;
};

/// What an operation of a stream reads or writes.
struct FakeAccess {
  uint64_t begin, end;
  bool write;
  std::string what;
};

/// What streams have been asked for and the host has not waited for. Two operations may touch the same bytes only if
/// one is known to come after the other, or both just read.
class FakeOrder {
public:
  /// Puts an operation at the end of `stream`. A copy up gives what it reads of the host, which must not change before
  /// it is done; a copy down gives what arrives when it is done.
  void add(FakeStream &stream, const std::vector<FakeAccess> &accesses, bool watch = false,
           std::vector<std::byte> arrives = {});
  void hostWaits(const FakeClock &clock);
  /// No operation under way may use memory that is given back.
  void requireUnused(const FakeAllocation &memory) const;
  FakeClock host;

private:
  struct Operation {
    size_t stream;
    uint64_t count;
    std::vector<FakeAccess> accesses;
    bool watch;
    uint64_t checksum;
    std::vector<std::byte> arrives; ///< at the first access
  };
  static void finish(const Operation &operation);
  std::vector<Operation> pending;
};

} // namespace sinter::rt
