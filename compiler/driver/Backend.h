// SPDX-License-Identifier: Apache-2.0
// What differs from target to target on the road from IR to an executable: which launches serve the step, which files
// they become, and what compiles these.
#pragma once
#include "codegen/HostCompiler.h"
#include "codegen/PlanText.h"
#include "compiler/driver/Executable.h"
#include "compiler/driver/Limits.h"
#include "compiler/driver/PlanRecord.h"
#include "compiler/driver/Verify.h"
#include "passes/Pass.h"

namespace sinter {

/// What a backend works with; all of it outlives the backend.
struct BackendInput {
  const CompileOptions &options;
  const Target &target;
  const Installation &installation;
};

struct CompiledCode {
  std::vector<std::string> objects; ///< that are linked with the runtime
  std::vector<PayloadPart> sections;
  size_t numFiles = 0, fromCache = 0;
  llvm::json::Object build; ///< of the payload's info: compilers and flags
};

/// Called in the order of its members.
class Backend {
public:
  virtual ~Backend() = default;
  /// Instruction selection, on what the pipeline ends with. Keeps pointers into `step`.
  virtual llvm::Error select(const Graph &step, const PassOptions &pass, const Limits &limits) = 0;
  virtual const StepPlan &plan() const = 0;
  /// Writes the sources that need no compiler's word.
  virtual void emit(const PlanFacts &facts) = 0;
  /// Compiles them, and what can be written only then.
  virtual llvm::Expected<CompiledCode> compile(const PlanFacts &facts, unsigned jobs) = 0;
  /// The sources so far.
  virtual llvm::ArrayRef<EmittedFile> files() const = 0;
  /// Holds what was compiled to the interpreter; CPU targets only (limitsOf).
  virtual llvm::Expected<VerifyReport> verify(VerifyInput input) const = 0;
  /// The plan for `inspect`; what compilers say of kernels is in it after compile().
  virtual PlanRecord record(const PlanFacts &facts) const = 0;
};

std::unique_ptr<Backend> makeCpuBackend(const BackendInput &input);
std::unique_ptr<Backend> makeCudaBackend(const BackendInput &input);

/// How every backend compiles files for the host, with progress on a terminal.
llvm::Expected<CompiledObjects> compileForHost(llvm::ArrayRef<EmittedFile> files, const BackendInput &input,
                                               llvm::ArrayRef<std::string> flags, unsigned jobs);

} // namespace sinter
