// SPDX-License-Identifier: Apache-2.0
// Steps for the tests of kernels that know sequences: ragged lengths, block tables in no order.
#pragma once
#include "runtime/abi/Kernel.h"
#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace sinter::cpu::test {

/// Sequences that may grow to `maxContext[s]` tokens, their KV blocks scattered over a pool of numBlocks().
class Batch {
public:
  Batch(const std::vector<int32_t> &maxContext, int32_t blockTokens, uint32_t seed) {
    for (int32_t context : maxContext)
      stride = std::max(stride, (context + blockTokens - 1) / blockTokens);
    tables.resize(maxContext.size() * stride);
    std::iota(tables.begin(), tables.end(), 0);
    std::shuffle(tables.begin(), tables.end(), std::mt19937(seed));
  }
  int32_t numBlocks() const { return int32_t(tables.size()); }

  /// The step in which sequence s, with `context[s]` tokens in the cache, gets `added[s]` more. Valid until the next
  /// call.
  rt::Step step(const std::vector<int32_t> &context, const std::vector<int32_t> &added) {
    positions.clear();
    contextLen.clear();
    queryStart = {0};
    for (size_t s = 0; s < context.size(); ++s) {
      for (int32_t i = 0; i < added[s]; ++i)
        positions.push_back(context[s] + i);
      queryStart.push_back(int32_t(positions.size()));
      contextLen.push_back(context[s] + added[s]);
    }
    return {.numTokens = int32_t(positions.size()),
            .numSeqs = int32_t(context.size()),
            .positions = positions.data(),
            .queryStart = queryStart.data(),
            .contextLen = contextLen.data(),
            .blockTable = tables.data(),
            .blockTableStride = stride};
  }

private:
  int32_t stride = 0;
  std::vector<int32_t> tables, positions, queryStart, contextLen;
};

} // namespace sinter::cpu::test
