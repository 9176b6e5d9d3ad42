// SPDX-License-Identifier: Apache-2.0
// How emitted files and messages speak of an op: by its text, and the line of the model description that wrote it.
#pragma once
#include "ir/Graph.h"

namespace sinter {

/// "// %2 = rms_norm %0, @w : bf16[T, 2560]\n// (models/qwen3.sir:17)\n"
std::string opComment(const Op &op);

/// "models/qwen3.sir:17: PROBLEM: %2 = rms_norm %0, @w : bf16[T, 2560]"
llvm::Error opError(const Op &op, const llvm::Twine &problem);

} // namespace sinter
