// SPDX-License-Identifier: Apache-2.0
// A Hugging Face directory: config.json, safetensors, and what else lies beside them.
#pragma once
#include "compiler/import/Checkpoint.h"

namespace sinter {

/// Opens the directory. A directory with GGUF files only is an error that names one of them.
llvm::Expected<Checkpoint> openHuggingFace(llvm::StringRef directory);

} // namespace sinter
