// SPDX-License-Identifier: Apache-2.0
// The last phase: objects are linked with the runtime, weights packed and appended, the file renamed into place.
#pragma once
#include "codegen/Launch.h"
#include "compiler/driver/Installation.h"
#include "compiler/import/Checkpoint.h"

namespace sinter {

struct ExecutableParts {
  std::vector<std::string> objects;
  const LaunchPlan *plan = nullptr;
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
