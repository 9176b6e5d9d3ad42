// SPDX-License-Identifier: Apache-2.0
// What a compilation says of its result: to the runtime in the payload's section "info", to the user in a few lines.
#pragma once
#include "compiler/driver/Backend.h"

namespace sinter {

struct BuildFacts {
  const Checkpoint *checkpoint = nullptr;
  const Module *module = nullptr;
  std::string description; ///< "models/qwen3.sir"
  const Target *target = nullptr;
  const StepPlan *plan = nullptr;
};

/// As runtime/cli/ModelInfo.h documents it.
llvm::json::Object buildInfo(const BuildFacts &facts, llvm::json::Object build);

struct BuildCounts {
  size_t kernels = 0, launches = 0, files = 0, fromCache = 0;
  double seconds = 0;
};

void printReport(llvm::raw_ostream &os, llvm::StringRef output, const BuildFacts &facts, const BuildCounts &counts,
                 const ExecutableSizes &sizes);

} // namespace sinter
