// SPDX-License-Identifier: Apache-2.0
// How many rows a kernel works on, and which sequence a token of the step belongs to.
#pragma once
#include "runtime/abi/Kernel.h"
#include "templates/cpu/linear_config.h"

namespace sinter::cpu {

inline int64_t rowCount(Rows rows, const rt::Step &step) {
  return rows == Rows::Tokens ? step.numTokens : step.numLogits;
}

/// Finds the sequences of tokens that are asked for in ascending order.
class SequenceCursor {
public:
  explicit SequenceCursor(const rt::Step &step) : step(step) {}
  int32_t at(int64_t token) {
    while (token >= step.queryStart[seq + 1])
      ++seq;
    return seq;
  }

private:
  const rt::Step &step;
  int32_t seq = 0;
};

} // namespace sinter::cpu
