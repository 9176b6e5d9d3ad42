// SPDX-License-Identifier: Apache-2.0
// `sinter compile` on the command line.
#pragma once
#include "compiler/tools/Flags.h"

namespace sinter {

class CompileCommand {
public:
  llvm::cl::SubCommand command{"compile", "Compile a model into one executable"};
  llvm::Error run() const;

private:
  llvm::Expected<CompileOptions> options() const;
  llvm::Error readOutput(CompileOptions &options) const;
  llvm::Error readDebugging(CompileOptions &options) const;

  template <typename T>
  using Flag = llvm::cl::opt<T>;
  using Names = llvm::cl::list<std::string>;

  CompileOptions defaults;
  Flag<std::string> model{llvm::cl::Positional, llvm::cl::desc("MODEL (a Hugging Face directory or a GGUF file)"),
                          llvm::cl::sub(command)};
  Flag<std::string> output{"o", llvm::cl::desc("File to write"), llvm::cl::value_desc("file"), llvm::cl::sub(command)};
  ModelFlags modelFlags{command};
  Flag<std::string> until{"compile-to",
                          llvm::cl::desc("Stop after a phase and write what it made\n"
                                         "expand: the model as IR, its description's holes filled\n"
                                         "passes: the IR that code is generated from\n"
                                         "codegen: the emitted C++ or CUDA, into the folder -o\n"
                                         "exe: everything"),
                          llvm::cl::value_desc("phase"), llvm::cl::init("exe"), llvm::cl::sub(command)};
  Flag<std::string> pipeline{"passes", llvm::cl::desc("Passes in place of the default ones"),
                             llvm::cl::value_desc("a,b,c"), llvm::cl::sub(command)};
  Flag<bool> verify{"verify", llvm::cl::desc("Compare the compiled step with the interpreter, op by op"),
                    llvm::cl::sub(command)};
  Names printAfter{"print-ir-after", llvm::cl::desc("Print the IR after these passes"), llvm::cl::CommaSeparated,
                   llvm::cl::value_desc("pass"), llvm::cl::sub(command)};
  Names printBefore{"print-ir-before", llvm::cl::desc("Print the IR before these passes"), llvm::cl::CommaSeparated,
                    llvm::cl::value_desc("pass"), llvm::cl::sub(command)};
  Flag<bool> printAfterAll{"print-ir-after-all", llvm::cl::desc("Print the IR after every pass that changed it"),
                           llvm::cl::sub(command)};
  Flag<std::string> layers{"layers", llvm::cl::desc("Print only these layers"), llvm::cl::value_desc("0..1"),
                           llvm::cl::sub(command)};
  Flag<bool> timePasses{"time-passes", llvm::cl::desc("Print how long every pass took"), llvm::cl::sub(command)};
  Flag<bool> checkSemantics{"check-semantics", llvm::cl::desc("Interpret the graph before and after every pass"),
                            llvm::cl::sub(command)};
  Flag<std::string> dump{"dump", llvm::cl::desc("Write the IR after every pass and the emitted files into a folder"),
                         llvm::cl::value_desc("dir"), llvm::cl::sub(command)};
  NumberFlag jobs{"jobs", llvm::cl::desc("Compilers to run at once (default: one a core)"), llvm::cl::value_desc("n"),
                  llvm::cl::sub(command)};
  Flag<std::string> cxx{"cxx", llvm::cl::desc("The host's C++ compiler"), llvm::cl::init(defaults.compiler),
                        llvm::cl::sub(command)};
};

} // namespace sinter
