// SPDX-License-Identifier: Apache-2.0
// `sinter inspect`: what an executable is made of, or what a model would be: its kernels, and for the launches of a
// step the bytes, the FLOPs and the time below which no device gets.
#pragma once
#include "compiler/driver/Compile.h"
#include "compiler/driver/Floors.h"

namespace sinter {

struct InspectOptions {
  CompileOptions compile; ///< `model` is what is inspected; the rest matters where that is a model
  StepShape shape;
  std::string device;       ///< parseDevice(); empty: an H200 for what is built for it, none for other targets
  bool everyLaunch = false; ///< else one line for all launches of a kernel
};

/// Prints to `os`. An executable is any file but a .gguf or .json one.
llvm::Error inspect(const InspectOptions &options, llvm::raw_ostream &os);

} // namespace sinter
