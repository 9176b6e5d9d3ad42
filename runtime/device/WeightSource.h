// SPDX-License-Identifier: Apache-2.0
// The packed weights of a model in pieces, for those who carry them somewhere else: read from the payload, or made
// where the model was compiled with random ones.
#pragma once
#include "runtime/abi/Plan.h"
#include "runtime/support/Payload.h"
#include <memory>
#include <span>

namespace sinter::rt {

class WeightSource {
public:
  /// Ranges start at multiples of this, and are multiples of it long but for the last.
  static constexpr uint64_t grain = payloadPieceBytes;

  virtual ~WeightSource() = default;
  /// Bytes [offset, offset + into.size()) of the weights; any number of threads at a time, each range once.
  virtual Result<void> read(uint64_t offset, std::span<std::byte> into) = 0;
  /// After everything is read: whether it was what the checksum says.
  virtual Result<void> finish() { return {}; }

  /// `payload` must outlive it. Without `check`, checksums are not compared.
  static Result<std::unique_ptr<WeightSource>> open(const Plan &plan, const Payload &payload, bool check);
};

} // namespace sinter::rt
