// SPDX-License-Identifier: Apache-2.0
// The last phase: objects are linked with the runtime, weights packed and appended, the file renamed into place.
#pragma once
#include "codegen/StepPlan.h"
#include "compiler/driver/Installation.h"
#include "compiler/import/Checkpoint.h"
#include "runtime/abi/Plan.h"

namespace sinter {

struct PayloadPart {
  std::string name, bytes; ///< a section
};

struct ExecutableParts {
  std::vector<std::string> objects;
  const StepPlan *plan = nullptr;
  llvm::ArrayRef<rt::WeightRegion> weightRegions; ///< not empty: only the stored ones are in the payload
  std::vector<PayloadPart> sections;              ///< beside weights, tokenizer and info
  const Checkpoint *checkpoint = nullptr;
  llvm::json::Object info;      ///< runtime/cli/ModelInfo.h
  std::string compiler;         ///< that links
  bool externalWeights = false; ///< in OUTPUT.weights
};

struct ExecutableSizes {
  uint64_t code = 0, weights = 0, file = 0; ///< bytes
};

/// Writes `output` (and `output`.weights), complete or not at all.
llvm::Expected<ExecutableSizes> writeExecutable(llvm::StringRef output, ExecutableParts parts,
                                                const Installation &installation);

} // namespace sinter
