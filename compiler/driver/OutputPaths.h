// SPDX-License-Identifier: Apache-2.0
// Whether what a compilation makes can be written, asked before minutes go into making it.
#pragma once
#include "compiler/driver/Compile.h"

namespace sinter {

/// Errors name the flag, what it must be and what is there. Writing can still fail later; nothing is created here.
llvm::Error checkOutputPaths(const CompileOptions &options);

} // namespace sinter
