// SPDX-License-Identifier: Apache-2.0
// `sinter compile --verify`: runs the compiled kernels in this process, a prompt step of two sequences and a step of
// one token each, and holds every launch to the interpreter, which is given the very inputs that the kernel had.
#pragma once
#include "codegen/cpu/CpuLaunch.h"
#include "compiler/import/Checkpoint.h"

namespace sinter {

struct VerifyInput {
  const Graph *step = nullptr; ///< what code was generated from
  const CpuLaunchPlan *plan = nullptr;
  const Checkpoint *checkpoint = nullptr;
  std::vector<std::string> objects; ///< kernels and plan.cpp
  std::string compiler;             ///< that links them
  std::string payload;              ///< the file whose weights are used
  unsigned threads = 1;
};

struct VerifyReport {
  size_t launches = 0;
  double largest = 0; ///< difference, as a share of its tolerance
  std::string where;  ///< the op that had it
};

/// An error names the first layer and op beyond its tolerance, and by how much; or why nothing could be run.
llvm::Expected<VerifyReport> verifyCompiled(const VerifyInput &input);

} // namespace sinter
