// SPDX-License-Identifier: Apache-2.0
// Steps for the toy model on the GPU that fake_cuda plays.
#pragma once
#include "CudaFixture.h"

namespace sinter::rt {

/// A step of whole prompts from position 0, in blocks that follow each other, with the logits of the last token of
/// each.
struct Prompts {
  std::vector<int32_t> tokens, positions, queryStart{0}, contextLen, blocks, logitRows;
  std::vector<SampleRow> rows;
  SamplingParams greedy;
  Step step;

  explicit Prompts(const std::vector<int32_t> &lengths) {
    int32_t stride = toy::maxSeqLen / toy::blockTokens, block = 1;
    blocks.assign(lengths.size() * static_cast<size_t>(stride), -1);
    for (size_t s = 0; s < lengths.size(); ++s) {
      for (int32_t i = 0; i < lengths[s]; ++i) {
        tokens.push_back(static_cast<int32_t>(10 * s) + i);
        positions.push_back(i);
        if (i % toy::blockTokens == 0)
          blocks[s * static_cast<size_t>(stride) + static_cast<size_t>(i / toy::blockTokens)] = block++;
      }
      queryStart.push_back(static_cast<int32_t>(tokens.size()));
      contextLen.push_back(lengths[s]);
      logitRows.push_back(static_cast<int32_t>(tokens.size()) - 1);
      rows.push_back({.params = &greedy, .history = nullptr, .seed = 0, .index = 0});
    }
    step = {.numTokens = static_cast<int32_t>(tokens.size()),
            .numSeqs = static_cast<int32_t>(lengths.size()),
            .numLogits = static_cast<int32_t>(lengths.size()),
            .tokens = tokens.data(),
            .positions = positions.data(),
            .queryStart = queryStart.data(),
            .contextLen = contextLen.data(),
            .blockTable = blocks.data(),
            .blockTableStride = stride,
            .logitRows = logitRows.data()};
  }
};

} // namespace sinter::rt
