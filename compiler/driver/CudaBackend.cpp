// SPDX-License-Identifier: Apache-2.0
// The CUDA target: NVRTC makes a cubin of every kernel, the host's compiler plan.cpp, which states where they are.
#include "codegen/cuda/CudaEmit.h"
#include "codegen/cuda/CudaSelect.h"
#include "codegen/cuda/DeviceCompiler.h"
#include "compiler/driver/Backend.h"
#include "ir/Try.h"
#include "runtime/support/ProgressBar.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/WithColor.h"

namespace sinter {

namespace {

class CudaBackend : public Backend {
public:
  explicit CudaBackend(const BackendInput &input) : input(input), arch(*input.target.cuda) {}

  llvm::Error select(const Graph &step, const PassOptions &, const Limits &limits) override {
    CudaSelectOptions select;
    select.arch = &arch;
    select.portable = input.options.portableKernels;
    select.maxSeqs = limits.maxSeqs;
    select.maxStepTokens = limits.maxStepTokens;
    select.maxStepLogits = limits.maxStepLogits;
    TRY_ASSIGN(selected, selectCuda(step, select));
    launches = std::move(selected);
    return llvm::Error::success();
  }

  const StepPlan &plan() const override { return launches; }

  void emit(const PlanFacts &) override { sources = emitCudaKernels(launches); }

  llvm::Expected<CompiledCode> compile(const PlanFacts &facts, unsigned jobs) override {
    TRY_ASSIGN(nvrtc, Nvrtc::open(input.installation.root + "/venv"));
    TRY(compileKernels(nvrtc, jobs));
    warnOfSpills();
    EmittedFile planFile = emitCudaPlan(launches, kernels, input.target, arch.name, facts);
    std::vector<std::string> flags = {"-std=c++20", "-O1", "-DNDEBUG", "-ffunction-sections", "-fPIC"};
    llvm::append_range(flags, input.target.compilerFlags);
    TRY_ASSIGN(objects, compileForHost(planFile, input, flags, jobs));
    TRY_ASSIGN(compilerName, compilerVersion(input.options.compiler));
    sources.push_back(std::move(planFile));

    CompiledCode made;
    made.numFiles = sources.size();
    made.fromCache = objects.fromCache + size_t(llvm::count_if(kernels, [](auto &k) { return k.fromCache; }));
    made.objects = std::move(objects.paths);
    made.sections.push_back({"cubins", cubins()});
    made.build = llvm::json::Object{{"cxx", std::move(compilerName)},
                                    {"flags", llvm::join(flags, " ")},
                                    {"nvrtc", nvrtc.version()},
                                    {"kernels", input.options.portableKernels ? "portable" : "native"}};
    return made;
  }

  llvm::ArrayRef<EmittedFile> files() const override { return sources; }

  llvm::Expected<VerifyReport> verify(VerifyInput) const override {
    llvm_unreachable("limitsOf refuses to verify what no CPU runs");
  }

  PlanRecord record(const PlanFacts &facts) const override {
    PlanRecord record{facts.model, input.target.name, {}, {}};
    for (auto [i, call] : llvm::enumerate(launches.kernels)) {
      KernelRecord kernel{.name = call.name, .threads = call.threads, .dynamicShared = call.sharedBytes};
      if (i < kernels.size()) {
        const KernelResources &taken = kernels[i].kernels.front();
        kernel.registers = taken.registers;
        kernel.staticShared = taken.sharedBytes;
        kernel.spillBytes = taken.spillStoreBytes + taken.spillLoadBytes;
      }
      record.kernels.push_back(std::move(kernel));
    }
    for (auto [kind, lists] :
         {std::pair("decode", &launches.decode), std::pair("mixed", &launches.mixed),
          std::pair("head", &launches.heads), std::pair("dense-head", &launches.denseHeads),
          std::pair("resident", &launches.resident), std::pair("resident-head", &launches.residentHeads)})
      for (const CudaKernelList &list : *lists)
        record.lists.push_back({kind, list.maxRows, records(list)});
    return record;
  }

private:
  llvm::Error compileKernels(const Nvrtc &nvrtc, unsigned jobs) {
    DeviceCompilerOptions device;
    device.includeDir = input.installation.share;
    device.cacheDir = defaultCacheDir();
    device.jobs = jobs;
    rt::ProgressBar bar("compile", sources.size());
    device.onProgress = [&](size_t, size_t) { bar.advance(1); };
    TRY_ASSIGN(objects, compileDeviceFiles(sources, arch, nvrtc, device));
    kernels = std::move(objects);
    return llvm::Error::success();
  }

  void warnOfSpills() const {
    for (const CudaObject &object : kernels)
      for (const KernelResources &kernel : object.kernels)
        if (kernel.spills())
          llvm::WithColor::warning() << kernel.name << " spills registers: " << kernel.spillStoreBytes
                                     << " bytes stored, " << kernel.spillLoadBytes << " loaded\n";
  }

  /// The payload's section, as plan.cpp addresses it.
  std::string cubins() const {
    std::string bytes;
    for (const CudaObject &object : kernels) {
      bytes.resize(llvm::alignTo(bytes.size(), cubinAlignment));
      bytes += object.cubin;
    }
    return bytes;
  }

  std::vector<LaunchRecord> records(const CudaKernelList &list) const {
    std::vector<LaunchRecord> all;
    for (const CudaKernelLaunch &l : list.launches)
      all.push_back({int64_t(l.kernel), str(*l.op), l.op->layer, launches.kernels[l.kernel].grid, l.weightBytes,
                     l.rowBytes, l.contextBytes, l.rowFlops, l.pairFlops});
    return all;
  }

  BackendInput input;
  const CudaArch &arch;
  CudaLaunchPlan launches;
  std::vector<EmittedFile> sources;
  std::vector<CudaObject> kernels; ///< empty before compile()
};

} // namespace

std::unique_ptr<Backend> makeCudaBackend(const BackendInput &input) { return std::make_unique<CudaBackend>(input); }

} // namespace sinter
