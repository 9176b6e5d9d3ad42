// SPDX-License-Identifier: Apache-2.0
// Launches as C++: one file a distinct kernel, which is nothing but calls of templates with constexpr configs, and
// plan.cpp, the launch plan as constant data.
#pragma once
#include "codegen/EmittedFile.h"
#include "codegen/PlanText.h"
#include "codegen/cpu/CpuLaunch.h"

namespace sinter {

struct CpuCode {
  std::vector<EmittedFile> files;          ///< the last is plan.cpp
  std::vector<std::string> kernelOfLaunch; ///< its name; launches with equal calls share a kernel
};

CpuCode emitCpu(const CpuLaunchPlan &plan, const Target &target, const PlanFacts &facts);

} // namespace sinter
