// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/Compile.h"
#include "codegen/WeightRegions.h"
#include "compiler/driver/BuildInfo.h"
#include "compiler/driver/Expand.h"
#include "ir/Try.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/WithColor.h"
#include <chrono>

namespace sinter {

namespace {

using llvm::Error;

class Compilation {
public:
  explicit Compilation(const CompileOptions &options) : options(options) {}

  Error run() {
    TRY(open());
    TRY(expand());
    if (options.until == Phase::Expand)
      return printIr();
    TRY(runPasses());
    if (options.until == Phase::Passes)
      return printIr();
    TRY(generate());
    if (options.until == Phase::Codegen)
      return writeFiles(options.output);
    return build();
  }

  llvm::Expected<PlanRecord> record() {
    TRY(open());
    TRY(expand());
    TRY(runPasses());
    TRY(generate());
    return backend->record(facts);
  }

private:
  Error open() {
    TRY_ASSIGN(found, findInstallation());
    installation = found;
    TRY_ASSIGN(parsedTarget, parseTarget(options.target));
    target = parsedTarget;
    TRY_ASSIGN(chosen, limitsOf(options, target));
    limits = chosen;
    TRY_ASSIGN(opened, options.randomWeights ? openConfig(options.model) : openCheckpoint(options.model));
    checkpoint = std::move(opened);
    return Error::success();
  }

  Error expand() {
    TRY_ASSIGN(expansion, expandModel(checkpoint, installation.share + "/models"));
    module = std::move(expansion.module);
    description = expansion.description;
    for (const std::string &note : expansion.notes)
      llvm::WithColor::note() << note << '\n';
    module->name = identifier(checkpoint.name);
    int64_t modelPositions = checkpoint.config.getInteger("max_position_embeddings").value_or(32768);
    TRY_ASSIGN(positions, maxPositions(options, modelPositions, checkpoint.configOrigin));
    module->maxSeqLen = positions;
    return Error::success();
  }

  /// Names in the IR are words; "SmolLM2-135M.Q4_1" already is one but for odd characters.
  static std::string identifier(llvm::StringRef name) {
    std::string id = name.str();
    for (char &c : id)
      if (!llvm::isAlnum(c) && c != '_' && c != '-' && c != '.')
        c = '_';
    return id;
  }

  Error runPasses() {
    pass.kvType = limits.kvType ? *limits.kvType : modelKvType(*module->graphs().front(), options.quantizeActivations);
    pass.quantizeActivations = options.quantizeActivations;
    pass.target = target.kind();
    pass.maxStepTokens = limits.maxStepTokens;
    pass.maxStepLogits = limits.maxStepLogits;
    TRY_ASSIGN(pipeline,
               parsePipeline(options.pipeline.empty() ? defaultPipelineFor(pass) : llvm::StringRef(options.pipeline)));
    RunOptions run = options.run;
    run.dumpDir = options.dumpDir;
    TRY(runPipeline(*module, pipeline, pass, run, llvm::outs()));
    module->eraseUnusedWeights();
    return Error::success();
  }

  Error printIr() const {
    if (options.output.empty() || options.output == "-") {
      print(*module, llvm::outs(), options.run.print);
      return Error::success();
    }
    return writeText(options.output, [&](llvm::raw_ostream &os) { print(*module, os, options.run.print); });
  }

  static Error writeText(llvm::StringRef path, llvm::function_ref<void(llvm::raw_ostream &)> write) {
    return llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
      write(os);
      return Error::success();
    });
  }

  Error generate() {
    BackendInput input{options, target, installation};
    backend = target.cuda ? makeCudaBackend(input) : makeCpuBackend(input);
    TRY(backend->select(*module->findGraph("step"), pass, limits));
    facts = {checkpoint.name, module->maxSeqLen, limits.maxStepTokens, limits.maxSeqs, limits.maxStepLogits, {}, 0};
    if (options.randomWeights) {
      TRY_ASSIGN(regions, randomRegions(backend->plan().weights));
      facts.weightRegions = std::move(regions);
      facts.weightSeed = *options.randomWeights;
    }
    backend->emit(facts);
    return dumpFiles();
  }

  Error dumpFiles() const {
    return options.dumpDir.empty() ? Error::success() : writeFiles(options.dumpDir + "/kernels");
  }

  Error writeFiles(llvm::StringRef dir) const {
    if (std::error_code ec = llvm::sys::fs::create_directories(dir))
      return llvm::createFileError(dir, ec);
    for (const EmittedFile &f : backend->files())
      TRY(writeText((dir + "/" + f.name).str(), [&](llvm::raw_ostream &os) { os << f.text; }));
    return Error::success();
  }

  Error build() {
    unsigned jobs = options.jobs ? options.jobs : llvm::heavyweight_hardware_concurrency().compute_thread_count();
    TRY_ASSIGN(code, backend->compile(facts, jobs));
    TRY(dumpFiles());

    BuildFacts built{&checkpoint, module.get(), description, &target, &backend->plan()};
    PlanRecord record = backend->record(facts);
    ExecutableParts parts;
    parts.objects = code.objects;
    parts.plan = built.plan;
    parts.weightRegions = facts.weightRegions;
    parts.sections = std::move(code.sections);
    parts.sections.push_back({"plan", toJsonText(record)});
    parts.checkpoint = &checkpoint;
    parts.info = buildInfo(built, std::move(code.build));
    parts.compiler = options.compiler;
    parts.externalWeights = options.externalWeights;
    TRY_ASSIGN(sizes, writeExecutable(options.output, std::move(parts), installation));

    BuildCounts counts{record.kernels.size(), record.numLaunches(), code.numFiles, code.fromCache, secondsSinceStart()};
    printReport(llvm::outs(), options.output, built, counts, sizes);
    return options.verify ? verifyAgainstInterpreter(code.objects, jobs) : Error::success();
  }

  Error verifyAgainstInterpreter(const std::vector<std::string> &objects, unsigned threads) const {
    VerifyInput input;
    input.step = module->findGraph("step");
    input.checkpoint = &checkpoint;
    input.objects = objects;
    input.compiler = options.compiler;
    input.payload = options.output + (options.externalWeights ? ".weights" : "");
    input.threads = threads;
    TRY_ASSIGN(result, backend->verify(std::move(input)));
    llvm::outs() << llvm::formatv(
        "  verified: {0} launches agree with the interpreter; the largest difference is {1:P0} "
        "of what is allowed, in {2}\n",
        result.launches, result.largest, result.where);
    return Error::success();
  }

  double secondsSinceStart() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  const CompileOptions &options;
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  Installation installation;
  Target target;
  Limits limits;
  Checkpoint checkpoint;
  std::unique_ptr<Module> module;
  std::string description;
  PassOptions pass;
  PlanFacts facts;
  std::unique_ptr<Backend> backend;
};

} // namespace

Error compile(const CompileOptions &options) { return Compilation(options).run(); }

llvm::Expected<PlanRecord> planOf(const CompileOptions &options) { return Compilation(options).record(); }

} // namespace sinter
