// SPDX-License-Identifier: Apache-2.0
// The packed weights in memory.
//
// read() is the default: all threads read the section into anonymous huge pages and compare its checksum on the way,
// while the bytes are in cache. map() uses the file's pages where they are: no copy and nothing to wait for, but pages
// of 4 KiB unless the file system keeps large ones, which costs up to a third of the read bandwidth of a step.
// The weights of a model compiled with random ones are generated instead.
#pragma once
#include "runtime/abi/Plan.h"
#include "runtime/device/Memory.h"
#include "runtime/device/ThreadPool.h"
#include "runtime/support/Payload.h"

namespace sinter::rt {

class Weights {
public:
  /// Those of `plan`: generated where they are random, else read, or mapped with `map`.
  static Result<Weights> load(const Plan &plan, const Payload &payload, ThreadPool &pool, bool map = false);
  /// Reads and checks the section "weights" of `payload`; shows progress on a terminal.
  static Result<Weights> read(const Payload &payload, ThreadPool &pool);
  /// Maps it. Its checksum is not compared.
  static Result<Weights> map(const Payload &payload);
  /// Fills the regions of a plan that has random ones; the stored ones are read from the section and checked.
  static Result<Weights> generate(const Plan &plan, const Payload &payload, ThreadPool &pool);
  /// Bytes that somebody else keeps alive, 64-byte aligned.
  static Weights borrow(std::span<const std::byte> bytes);

  std::span<const std::byte> bytes() const { return view; }

private:
  Memory memory;
  Mapping mapping;
  std::span<const std::byte> view;
};

} // namespace sinter::rt
