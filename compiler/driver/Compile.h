// SPDX-License-Identifier: Apache-2.0
// `sinter compile`: the whole road of a model, one phase after another, each of which can be where it ends.
#pragma once
#include "compiler/driver/PlanRecord.h"
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
  std::string model;  ///< Hugging Face directory or GGUF file; for random weights a config.json or its directory
  std::string output; ///< file; for Phase::Codegen a folder; IR phases print to stdout when empty
  Phase until = Phase::Executable;
  std::string target = "cpu";
  std::string pipeline;                                  ///< empty: the default
  RunOptions run;                                        ///< printing, timing and checking of passes
  std::string dumpDir;                                   ///< IR after every pass and the emitted files; empty: none
  bool portableKernels = false;                          ///< of a CUDA target: only what every architecture has
  int64_t maxSeqs = 0, maxSeqLen = 0, maxStepTokens = 0; ///< 0: compiler/driver/Limits.h
  std::optional<ElementType> kvType;                     ///< absent: the same
  bool quantizeActivations = true;
  bool externalWeights = false;          ///< in OUTPUT.weights beside the executable
  std::optional<uint64_t> randomWeights; ///< seed of weights that are made at load
  bool verify = false;                   ///< run the executable against the interpreter
  unsigned jobs = 0;                     ///< 0: one a core
  std::string compiler = "c++";
};

/// Progress goes to stderr when it is a terminal; a summary of what was made to stdout.
llvm::Error compile(const CompileOptions &options);

/// The launch plan, without compiling or writing anything: what compilers know of kernels is missing.
llvm::Expected<PlanRecord> planOf(const CompileOptions &options);

} // namespace sinter
