// SPDX-License-Identifier: Apache-2.0
// What the host keeps of a step under way: memory it shares with the GPU, events, and what the step was.
#pragma once
#include "runtime/device/HostChoice.h"
#include "runtime/device/cuda/CudaGraphs.h"

namespace sinter::rt {

/// Pinned memory that grows; what it held is gone then.
class CudaPinnedBuffer {
public:
  Result<void> reserve(const CudaDriver &driver, uint64_t bytes);
  std::byte *data() const { return static_cast<std::byte *>(memory.get()); }

private:
  CudaPinned memory;
  uint64_t capacity = 0;
};

struct CudaSlot {
  CudaPinnedBuffer arrays, lists; ///< on their way up: step arrays; biases and histories
  CudaPinnedBuffer logits;        ///< that came back
  std::vector<int32_t> tokens;    ///< [S], that it has chosen
  CudaEvent uploaded, begun, done;

  // Of the step that is in it.
  CudaStepLists launches{};
  int64_t index = 0;
  int32_t numTokens = 0, numLogits = 0;
  int64_t contextTokens = 0; ///< of all sequences
  int64_t pairs = 0;         ///< of a token and one of its context
  bool wantLogits = false, timed = false;
  std::vector<char> wanted;        ///< [S], whether the row's token is
  std::vector<KeptSampleRow> kept; ///< rows whose token the host chooses, from the logits that come back

  static Result<CudaSlot> create(const CudaDriver &driver, uint64_t arrayBytes);
  /// wantLogits is set.
  void describe(const Step &step, std::span<const SampleRow> rows);
  /// The device edits logits in place: where they are wanted as they are, the host chooses instead.
  bool choosesOnHost(const SampleRow &row) const { return wantLogits && row.params && row.params->editsLogits(); }
};

/// A graph that tells when each of its launches ended, and the lists it is for.
struct CudaTimedGraph {
  CudaStepLists lists{};
  CudaGraphExec graph;
  std::vector<CudaEvent> events; ///< one more than launches
};

} // namespace sinter::rt
