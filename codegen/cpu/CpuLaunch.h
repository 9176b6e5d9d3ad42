// SPDX-License-Identifier: Apache-2.0
// What selection gives on the CPU target: one list of launches, for every op the templates that serve it, their configs
// as text, and the buffers they are called with.
#pragma once
#include "codegen/ConfigText.h"
#include "codegen/StepPlan.h"
#include "runtime/abi/Plan.h"

namespace sinter {

/// One call of a kernel template: linear<LinearConfig{.k = 576, ...}>.
struct CpuTemplateCall {
  llvm::StringRef header;   ///< "templates/cpu/linear.h"
  llvm::StringRef function; ///< "linear"
  llvm::StringRef config;   ///< "LinearConfig"
  ConfigText fields;
};

/// One launch of a step: a kernel of one or more calls, its buffers, what it costs.
struct CpuKernelLaunch {
  const Op *op;
  std::vector<CpuTemplateCall> calls;
  std::vector<rt::Arg> args;
  double weightBytes = 0;   ///< read once a step
  double flopsPerToken = 0; ///< multiply-adds count two
};

struct CpuLaunchPlan : StepPlan {
  std::vector<CpuKernelLaunch> launches;
};

} // namespace sinter
