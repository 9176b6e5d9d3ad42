// SPDX-License-Identifier: Apache-2.0
// How much of a GPU's memory a plan takes, and how many KV blocks the rest holds.
#pragma once
#include "runtime/abi/Plan.h"
#include "runtime/support/Error.h"

namespace sinter::rt {

/// Rows that the largest lists of a plan may write: those of a bucket, padding included.
int32_t largestBody(const CudaPlan &plan);
int32_t largestHead(const CudaPlan &plan);

struct CudaMemoryPlan {
  uint64_t weights, arena, workspace, counters, exchange, logits, steps; ///< bytes
  uint64_t kvBlock;                                                      ///< bytes of a block, all layers
  int32_t mostBlocks; ///< that maxSeqs sequences of maxSeqLen can use
  uint64_t kvWanted;  ///< bytes, as the user said; 0: what there is

  /// `stepBytes`: of all step arrays.
  CudaMemoryPlan(const Plan &plan, uint64_t stepBytes, uint64_t kvBytes);
  /// Of all but keys and values.
  uint64_t fixed() const { return weights + arena + workspace + counters + exchange + logits + steps; }
  /// Without which nothing can run: with the keys and values that were wanted, or a few blocks.
  uint64_t needed() const;
  /// Blocks in `freeBytes`, which are at least needed(): nine tenths of them where the user said nothing, since graphs
  /// and kernels want some. An error when what was wanted holds no block.
  Result<int32_t> blocks(uint64_t freeBytes) const;
};

} // namespace sinter::rt
