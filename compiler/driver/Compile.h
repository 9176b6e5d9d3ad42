// SPDX-License-Identifier: Apache-2.0
// `sinter compile`: the whole road of a model, one phase after another, each of which can be where it ends.
#pragma once
#include "passes/Pass.h"
#include <optional>

namespace sinter {

/// Where a compilation may end.
enum class Phase {
  Expand,     ///< the model description with its holes filled, as IR
  Passes,     ///< the graph that codegen gets, as IR
  Codegen,    ///< the emitted files
  Executable, ///< everything
};

struct CompileOptions {
  std::string model;  ///< Hugging Face directory or GGUF file
  std::string output; ///< file; for Phase::Codegen a folder; IR phases print to stdout when empty
  Phase until = Phase::Executable;
  std::string target = "cpu";
  std::string pipeline; ///< empty: the default
  RunOptions run;       ///< printing, timing and checking of passes
  std::string dumpDir;  ///< IR after every pass and the emitted files; empty: none
  int64_t maxSeqs = 64, maxSeqLen = 0 /* the model's, at most 32768 */, maxStepTokens = 512;
  std::optional<ElementType> kvType; ///< absent: as precise as the model's activations
  bool quantizeActivations = true;
  bool externalWeights = false; ///< in OUTPUT.weights beside the executable
  bool verify = false;          ///< run the executable against the interpreter
  unsigned jobs = 0;            ///< 0: one a core
  std::string compiler = "c++";
};

/// Progress goes to stderr when it is a terminal; a summary of what was made to stdout.
llvm::Error compile(const CompileOptions &options);

} // namespace sinter
