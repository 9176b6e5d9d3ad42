// SPDX-License-Identifier: Apache-2.0
// The part of an emitted plan.cpp that is the same for every target: the definition of sinterPlan.
#pragma once
#include "codegen/StepPlan.h"
#include "codegen/Target.h"
#include "runtime/abi/Plan.h"

namespace sinter {

/// What the plan states beyond the launches.
struct PlanFacts {
  std::string model;
  int64_t maxSeqLen = 0, maxStepTokens = 0, maxSeqs = 0, maxStepLogits = 0;
  std::vector<rt::WeightRegion> weightRegions; ///< empty: the payload holds all weights
  uint64_t weightSeed = 0;
};

/// As C++ literals.
std::string cppString(llvm::StringRef text);
std::string cppNumber(double v);

/// "extern "C" const Plan sinterPlan = {...};", with the tables that it points to. `scratchBytes` is an expression;
/// `lists` are the designated initialisers of the target's launches: "    .buckets = buckets,\n    .numBuckets = 1,\n".
void emitPlan(const StepPlan &plan, const Target &target, const PlanFacts &facts, llvm::StringRef scratchBytes,
              llvm::StringRef lists, llvm::raw_ostream &os);

} // namespace sinter
