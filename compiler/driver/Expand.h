// SPDX-License-Identifier: Apache-2.0
// From a checkpoint to a module: the model description of its architecture, its holes filled from config.json, its
// weights typed as the checkpoint has them.
#pragma once
#include "compiler/import/Checkpoint.h"
#include "ir/Graph.h"

namespace sinter {

struct Expansion {
  std::unique_ptr<Module> module;
  std::string description;        ///< "models/qwen3.sir"
  std::vector<std::string> notes; ///< what the user should know, once
};

/// `modelsDir` holds the descriptions. Errors: an architecture that none describes, a key that config.json lacks, a
/// tensor that is missing or of another shape (all with the description's line), a tensor that the model does not use.
llvm::Expected<Expansion> expandModel(const Checkpoint &checkpoint, llvm::StringRef modelsDir);

} // namespace sinter
