// SPDX-License-Identifier: Apache-2.0
// Memory and events of a step under way.
#include "runtime/device/cuda/CudaSlot.h"
#include <algorithm>

namespace sinter::rt {

Result<void> CudaPinnedBuffer::reserve(const CudaDriver &driver, uint64_t bytes) {
  if (bytes <= capacity)
    return {};
  uint64_t wanted = std::max(bytes, 2 * capacity);
  Result<CudaPinned> larger = allocateCudaPinned(driver, wanted);
  if (!larger)
    return tl::unexpected(larger.error());
  memory = std::move(*larger);
  capacity = wanted;
  return {};
}

Result<CudaSlot> CudaSlot::create(const CudaDriver &driver, uint64_t arrayBytes) {
  CudaSlot slot;
  if (auto reserved = slot.arrays.reserve(driver, arrayBytes); !reserved)
    return tl::unexpected(reserved.error());
  const std::pair<CudaEvent *, unsigned> events[] = {
      {&slot.uploaded, cudaEventNoTiming}, {&slot.begun, 0}, {&slot.done, 0}};
  for (auto [event, flags] : events) {
    Result<CudaEvent> made = makeCudaEvent(driver, flags);
    if (!made)
      return tl::unexpected(made.error());
    *event = std::move(*made);
  }
  return slot;
}

void CudaSlot::describe(const Step &step, std::span<const SampleRow> rows) {
  numTokens = step.numTokens;
  numLogits = step.numLogits;
  contextTokens = pairs = 0;
  for (int32_t s = 0; s < step.numSeqs; ++s) {
    int64_t context = step.contextLen[s], queries = step.queryStart[s + 1] - step.queryStart[s];
    contextTokens += context;
    pairs += queries * (context - queries) + queries * (queries + 1) / 2;
  }
  wanted.clear();
  kept.clear();
  for (const SampleRow &row : rows) {
    if (choosesOnHost(row))
      kept.emplace_back(wanted.size(), row);
    wanted.push_back(row.params != nullptr);
  }
}

} // namespace sinter::rt
