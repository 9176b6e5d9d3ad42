// SPDX-License-Identifier: Apache-2.0
// The arithmetic of a GPU's memory.
#include "runtime/device/cuda/CudaMemoryPlan.h"
#include "runtime/support/Format.h"
#include <algorithm>

namespace sinter::rt {
namespace {

constexpr int32_t fewestBlocks = 16;

int32_t largest(const CudaLaunchList *lists, int32_t count) { return count > 0 ? lists[count - 1].maxRows : 0; }

} // namespace

int32_t largestBody(const CudaPlan &plan) {
  return std::max(largest(plan.decode, plan.numDecode), largest(plan.mixed, plan.numMixed));
}

int32_t largestHead(const CudaPlan &plan) {
  return std::max(largest(plan.heads, plan.numHeads), largest(plan.denseHeads, plan.numDenseHeads));
}

CudaMemoryPlan::CudaMemoryPlan(const Plan &plan, uint64_t stepBytes, uint64_t kvBytes)
    : weights(plan.weightsBytes), arena(plan.arenaBytes), workspace(plan.cuda->workspaceBytes),
      counters(plan.cuda->counterBytes), exchange(plan.cuda->exchangeBytes),
      logits(static_cast<uint64_t>(largestHead(*plan.cuda)) * static_cast<uint64_t>(plan.vocabSize) * sizeof(float)),
      steps(stepBytes), kvBlock(plan.kvBlockBytes * static_cast<uint64_t>(plan.numLayers)) {
  // A slot, block * block tokens + place, is 32 bits wide.
  mostBlocks = static_cast<int32_t>(
      std::min<int64_t>(int64_t{plan.maxSeqBlocks()} * plan.maxSeqs, INT32_MAX / plan.kvBlockTokens));
  kvWanted = std::min(kvBytes, kvBlock * static_cast<uint64_t>(mostBlocks));
}

uint64_t CudaMemoryPlan::needed() const {
  return fixed() + (kvWanted ? kvWanted : kvBlock * static_cast<uint64_t>(std::min(mostBlocks, fewestBlocks)));
}

Result<int32_t> CudaMemoryPlan::blocks(uint64_t freeBytes) const {
  if (kvBlock == 0)
    return mostBlocks;
  uint64_t kv = kvWanted ? kvWanted : std::max(freeBytes / 10 * 9, needed()) - fixed();
  if (kv < kvBlock)
    return fail(formatBytes(kv) + " of KV cache hold no block: a block takes " + formatBytes(kvBlock));
  return static_cast<int32_t>(std::min<uint64_t>(kv / kvBlock, static_cast<uint64_t>(mostBlocks)));
}

} // namespace sinter::rt
