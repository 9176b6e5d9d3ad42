// SPDX-License-Identifier: Apache-2.0
// The CPU target: one list of launches, all files compiled by the host's compiler.
#include "codegen/cpu/CpuEmit.h"
#include "codegen/cpu/CpuSelect.h"
#include "compiler/driver/Backend.h"
#include "ir/Try.h"
#include "passes/PlanMemory.h"
#include "runtime/support/ProgressBar.h"
#include "llvm/ADT/StringExtras.h"
#include <map>

namespace sinter {

namespace {

class CpuBackend : public Backend {
public:
  explicit CpuBackend(const BackendInput &input) : input(input) {}

  llvm::Error select(const Graph &step, const PassOptions &pass, const Limits &) override {
    TRY_ASSIGN(selected, selectCpu(step));
    launches = std::move(selected);
    launches.arenaBytes = arenaBytes(step, pass);
    return llvm::Error::success();
  }

  const StepPlan &plan() const override { return launches; }

  void emit(const PlanFacts &facts) override { code = emitCpu(launches, input.target, facts); }

  llvm::Expected<CompiledCode> compile(const PlanFacts &, unsigned jobs) override {
    std::vector<std::string> flags = {"-std=c++20",          "-O3",  "-DNDEBUG", "-ffp-contract=off", "-fno-math-errno",
                                      "-ffunction-sections", "-fPIC"};
    llvm::append_range(flags, input.target.compilerFlags);
    TRY_ASSIGN(objects, compileForHost(code.files, input, flags, jobs));
    TRY_ASSIGN(compilerName, compilerVersion(input.options.compiler));
    CompiledCode made;
    made.numFiles = code.files.size();
    made.fromCache = objects.fromCache;
    made.objects = std::move(objects.paths);
    made.build = llvm::json::Object{{"cxx", std::move(compilerName)}, {"flags", llvm::join(flags, " ")}};
    return made;
  }

  llvm::ArrayRef<EmittedFile> files() const override { return code.files; }

  llvm::Expected<VerifyReport> verify(VerifyInput verifyInput) const override {
    verifyInput.plan = &launches;
    return verifyCompiled(verifyInput);
  }

  PlanRecord record(const PlanFacts &facts) const override {
    PlanRecord record{facts.model, input.target.name, {}, {}};
    LaunchListRecord list{"step", facts.maxStepTokens, {}};
    std::map<std::string, int64_t> indexOf;
    for (auto [launch, kernel] : llvm::zip_equal(launches.launches, code.kernelOfLaunch)) {
      auto [it, isNew] = indexOf.try_emplace(kernel, int64_t(record.kernels.size()));
      if (isNew)
        record.kernels.emplace_back().name = kernel;
      LaunchRecord l;
      l.kernel = it->second;
      l.op = str(*launch.op);
      l.layer = launch.op->layer;
      l.weightBytes = launch.weightBytes;
      l.rowFlops = launch.flopsPerToken;
      list.launches.push_back(std::move(l));
    }
    record.lists.push_back(std::move(list));
    return record;
  }

private:
  BackendInput input;
  CpuLaunchPlan launches;
  CpuCode code;
};

} // namespace

std::unique_ptr<Backend> makeCpuBackend(const BackendInput &input) { return std::make_unique<CpuBackend>(input); }

llvm::Expected<CompiledObjects> compileForHost(llvm::ArrayRef<EmittedFile> files, const BackendInput &input,
                                               llvm::ArrayRef<std::string> flags, unsigned jobs) {
  HostCompilerOptions host;
  host.compiler = input.options.compiler;
  host.flags = flags.vec();
  host.includeDir = input.installation.share;
  host.cacheDir = defaultCacheDir();
  host.jobs = jobs;
  rt::ProgressBar bar("compile", files.size());
  host.onProgress = [&](size_t, size_t) { bar.advance(1); };
  return compileFiles(files, host);
}

} // namespace sinter
