// SPDX-License-Identifier: Apache-2.0
// `sinter inspect` on the command line.
#pragma once
#include "compiler/driver/Inspect.h"
#include "compiler/tools/Flags.h"

namespace sinter {

class InspectCommand {
public:
  llvm::cl::SubCommand command{"inspect", "Show what an executable, or a model's step, consists of and must cost"};
  llvm::Error run() const;

private:
  llvm::Expected<InspectOptions> options() const;

  llvm::cl::opt<std::string> file{llvm::cl::Positional, llvm::cl::desc("EXECUTABLE or MODEL"), llvm::cl::sub(command)};
  ModelFlags modelFlags{command};
  NumberFlag tokens{"tokens", llvm::cl::desc("Sequences of one token in the step (default: 1)"),
                    llvm::cl::value_desc("n"), llvm::cl::sub(command)};
  llvm::cl::opt<bool> prompt{"prompt", llvm::cl::desc("The tokens are those of one sequence"), llvm::cl::sub(command)};
  NumberFlag context{"context", llvm::cl::desc("Tokens of a sequence, the step's included (default: 1024)"),
                     llvm::cl::value_desc("n"), llvm::cl::sub(command)};
  llvm::cl::opt<std::string> device{"device", llvm::cl::desc("h200 (default of sm_90a), or TB/s,TFLOP/s"),
                                    llvm::cl::sub(command)};
  llvm::cl::opt<bool> launches{"launches", llvm::cl::desc("A line for every launch, not for every kernel"),
                               llvm::cl::sub(command)};
};

} // namespace sinter
