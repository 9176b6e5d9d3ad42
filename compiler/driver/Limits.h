// SPDX-License-Identifier: Apache-2.0
// What a compiled step holds at most, and how it stores keys and values: flags, and the target's word for what they
// leave open.
#pragma once
#include "codegen/Target.h"
#include "compiler/driver/Compile.h"
#include "ir/Graph.h"

namespace sinter {

struct Limits {
  int64_t maxSeqs = 0, maxStepTokens = 0, maxStepLogits = 0;
  std::optional<ElementType> kvType; ///< absent: as the model's weights deserve (modelKvType)
};

/// Errors: flags that ask for what the target has no kernels for, each naming the flag and the target.
llvm::Expected<Limits> limitsOf(const CompileOptions &options, const Target &target);

/// Positions of a sequence at most: --max-seq-len, which must not exceed `modelPositions`, else these up to 32768.
llvm::Expected<int64_t> maxPositions(const CompileOptions &options, int64_t modelPositions,
                                     llvm::StringRef configOrigin);

/// The type of a model's activations at its attention; for float32 activations what the matmul weights' precision
/// deserves.
ElementType modelKvType(const Graph &step, bool quantizeActivations);

} // namespace sinter
