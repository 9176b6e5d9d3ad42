// SPDX-License-Identifier: Apache-2.0
// Launches as C++: one file a distinct kernel, which is nothing but calls of templates with constexpr configs, and
// plan.cpp, the launch plan as constant data.
#pragma once
#include "codegen/EmittedFile.h"
#include "codegen/Launch.h"
#include "codegen/Target.h"

namespace sinter {

/// What the plan states beyond the launches.
struct PlanFacts {
  std::string model;
  int64_t maxSeqLen = 0, maxStepTokens = 0, maxSeqs = 0, maxStepLogits = 0;
};

/// The files of a step; the last is plan.cpp. Launches with equal calls share a kernel.
std::vector<EmittedFile> emitCpu(const LaunchPlan &plan, const Target &target, const PlanFacts &facts);

} // namespace sinter
