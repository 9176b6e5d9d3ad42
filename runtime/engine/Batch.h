// SPDX-License-Identifier: Apache-2.0
// The flat arrays of a step, built from a schedule and reused from step to step.
#pragma once
#include "runtime/abi/Kernel.h"
#include "runtime/engine/Scheduler.h"

namespace sinter::rt {

class Batch {
public:
  /// The step of these slices, valid until the next call. Block tables are as long as the longest context needs;
  /// entries beyond a sequence's own are -1. Tokens that are not known are ~row of the step before.
  const Step &build(const std::vector<Slice> &slices, int32_t blockTokens);

private:
  void addBlockTables(const std::vector<Slice> &slices, int32_t blockTokens);

  Step step;
  std::vector<int32_t> tokens, positions, queryStart, contextLen, blockTable, logitRows;
};

} // namespace sinter::rt
