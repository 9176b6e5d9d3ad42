// SPDX-License-Identifier: Apache-2.0
// A schedule as flat arrays.
#include "runtime/engine/Batch.h"
#include <algorithm>

namespace sinter::rt {

namespace {

/// The token, or the row of the step before that chooses it.
int32_t tokenAt(const Sequence &sequence, int32_t position) {
  return position < sequence.length() ? sequence.tokens[position] : ~sequence.pendingRow;
}

} // namespace

const Step &Batch::build(const std::vector<Slice> &slices, int32_t blockTokens) {
  for (auto *array : {&tokens, &positions, &queryStart, &contextLen, &blockTable, &logitRows})
    array->clear();
  queryStart.push_back(0);
  for (const Slice &slice : slices) {
    int32_t end = slice.start + slice.count;
    for (int32_t position = slice.start; position < end; ++position) {
      if (position >= end - slice.logits)
        logitRows.push_back(static_cast<int32_t>(tokens.size()));
      tokens.push_back(tokenAt(*slice.sequence, position));
      positions.push_back(position);
    }
    queryStart.push_back(static_cast<int32_t>(tokens.size()));
    contextLen.push_back(end);
  }
  addBlockTables(slices, blockTokens);
  step.numTokens = static_cast<int32_t>(tokens.size());
  step.numSeqs = static_cast<int32_t>(slices.size());
  step.numLogits = static_cast<int32_t>(logitRows.size());
  step.tokens = tokens.data();
  step.positions = positions.data();
  step.queryStart = queryStart.data();
  step.contextLen = contextLen.data();
  step.blockTable = blockTable.data();
  step.logitRows = logitRows.data();
  return step;
}

void Batch::addBlockTables(const std::vector<Slice> &slices, int32_t blockTokens) {
  auto blocksFor = [&](int32_t context) { return (context + blockTokens - 1) / blockTokens; };
  step.blockTableStride = blocksFor(*std::ranges::max_element(contextLen));
  blockTable.assign(slices.size() * step.blockTableStride, -1);
  for (size_t i = 0; i < slices.size(); ++i)
    std::copy_n(slices[i].sequence->table.blocks.begin(), blocksFor(contextLen[i]),
                blockTable.begin() + static_cast<ptrdiff_t>(i) * step.blockTableStride);
}

} // namespace sinter::rt
