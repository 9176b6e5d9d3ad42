// SPDX-License-Identifier: Apache-2.0
// What instruction selection gives, whatever the target; each target adds its launches (cpu/CpuLaunch.h,
// cuda/CudaLaunch.h).
#pragma once
#include "codegen/WeightTable.h"

namespace sinter {

struct StepPlan {
  WeightTable weights;
  uint64_t arenaBytes = 0;
  uint64_t kvBlockBytes = 0; ///< K and V of a block, one layer
  int64_t kvBlockTokens = 0;
  int64_t vocabSize = 0, numLayers = 0, hiddenSize = 0;
};

inline int64_t columnsOf(const Value &v) { return v.type.dim(-1).number(); }

/// What a step returns.
inline const Value &logitsOf(const Graph &step) { return *step.returns().back()->get(); }

} // namespace sinter
