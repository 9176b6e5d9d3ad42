// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/Compile.h"
#include "codegen/HostCompiler.h"
#include "codegen/cpu/CpuEmit.h"
#include "codegen/cpu/CpuSelect.h"
#include "compiler/driver/Executable.h"
#include "compiler/driver/Expand.h"
#include "compiler/driver/Verify.h"
#include "ir/Ops.h"
#include "ir/Try.h"
#include "passes/PlanMemory.h"
#include "runtime/support/Format.h"
#include "runtime/support/ProgressBar.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/WithColor.h"
#include <chrono>
#include <map>

namespace sinter {

namespace {

using llvm::Error;

class Compilation {
public:
  explicit Compilation(const CompileOptions &options) : options(options) {}

  Error run() {
    TRY_ASSIGN(found, findInstallation());
    installation = found;
    TRY_ASSIGN(parsedTarget, parseTarget(options.target));
    target = parsedTarget;
    TRY_ASSIGN(opened, openCheckpoint(options.model));
    checkpoint = std::move(opened);
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

private:
  Error expand() {
    TRY_ASSIGN(expansion, expandModel(checkpoint, installation.share + "/models"));
    module = std::move(expansion.module);
    description = expansion.description;
    for (const std::string &note : expansion.notes)
      llvm::WithColor::note() << note << '\n';
    module->name = identifier(checkpoint.name);
    TRY_ASSIGN(positions, maxPositions());
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

  llvm::Expected<int64_t> maxPositions() const {
    int64_t most = checkpoint.config.getInteger("max_position_embeddings").value_or(32768);
    if (options.maxSeqLen > most)
      return llvm::createStringError(llvm::formatv("--max-seq-len {0}: {1} has max_position_embeddings = {2}",
                                                   options.maxSeqLen, checkpoint.configOrigin, most)
                                         .str());
    return options.maxSeqLen ? options.maxSeqLen : std::min<int64_t>(most, 32768);
  }

  /// What keys and values are stored as unless told: the activations' type; for float32 activations what the matmul
  /// weights' precision deserves.
  ElementType defaultKvType() const {
    const Graph &graph = *module->graphs().front();
    for (auto &op : graph.ops())
      if (auto *attention = llvm::dyn_cast<Attention>(op.get())) {
        ElementType activations = attention->q.type().element;
        auto *linear = attention->v.definedBy<Linear>();
        if (activations != ElementType(Scalar::F32) || !linear)
          return activations;
        ElementType weight = linear->weights[0].type.element;
        if (weight.isQuantized())
          return options.quantizeActivations ? Scalar::BF16 : Scalar::F32;
        return weight;
      }
    return Scalar::F32;
  }

  Error runPasses() {
    TRY_ASSIGN(pipeline, parsePipeline(options.pipeline.empty() ? llvm::StringRef(defaultPipeline)
                                                                : llvm::StringRef(options.pipeline)));
    pass.kvType = options.kvType ? *options.kvType : defaultKvType();
    pass.quantizeActivations = options.quantizeActivations;
    pass.target = "cpu";
    pass.maxStepTokens = options.maxStepTokens;
    pass.maxStepLogits = maxStepLogits();
    RunOptions run = options.run;
    run.dumpDir = options.dumpDir;
    TRY(runPipeline(*module, pipeline, pass, run, llvm::outs()));
    module->eraseUnusedWeights();
    return Error::success();
  }

  int64_t maxStepLogits() const { return std::max<int64_t>(options.maxSeqs, 64); }

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
    TRY_ASSIGN(selected, selectCpu(*module->findGraph("step")));
    plan = std::move(selected);
    plan.arenaBytes = arenaBytes(*module->findGraph("step"), pass);
    PlanFacts facts{checkpoint.name, module->maxSeqLen, options.maxStepTokens, options.maxSeqs, maxStepLogits()};
    files = emitCpu(plan, target, facts);
    return options.dumpDir.empty() ? Error::success() : writeFiles(options.dumpDir + "/kernels");
  }

  Error writeFiles(llvm::StringRef dir) const {
    if (std::error_code ec = llvm::sys::fs::create_directories(dir))
      return llvm::createFileError(dir, ec);
    for (const EmittedFile &f : files)
      TRY(writeText((dir + "/" + f.name).str(), [&](llvm::raw_ostream &os) { os << f.text; }));
    return Error::success();
  }

  Error build() {
    HostCompilerOptions host;
    host.compiler = options.compiler;
    host.flags = {"-std=c++20",          "-O3",  "-DNDEBUG", "-ffp-contract=off", "-fno-math-errno",
                  "-ffunction-sections", "-fPIC"};
    llvm::append_range(host.flags, target.compilerFlags);
    host.includeDir = installation.share;
    host.cacheDir = defaultCacheDir();
    host.jobs = options.jobs ? options.jobs : llvm::heavyweight_hardware_concurrency().compute_thread_count();
    rt::ProgressBar bar("compile", files.size());
    host.onProgress = [&](size_t, size_t) { bar.advance(1); };
    TRY_ASSIGN(objects, compileFiles(files, host));

    ExecutableParts parts;
    parts.objects = objects.paths;
    parts.plan = &plan;
    parts.checkpoint = &checkpoint;
    TRY_ASSIGN(compilerName, compilerVersion(options.compiler));
    parts.info = info(compilerName, llvm::join(host.flags, " "));
    parts.compiler = options.compiler;
    parts.externalWeights = options.externalWeights;
    TRY_ASSIGN(sizes, writeExecutable(options.output, std::move(parts), installation));
    report(sizes, objects);
    return options.verify ? verifyAgainstInterpreter(objects, host.jobs) : Error::success();
  }

  Error verifyAgainstInterpreter(const CompiledObjects &objects, unsigned threads) const {
    VerifyInput input;
    input.step = module->findGraph("step");
    input.plan = &plan;
    input.checkpoint = &checkpoint;
    input.objects = objects.paths;
    input.compiler = options.compiler;
    input.payload = options.output + (options.externalWeights ? ".weights" : "");
    input.threads = threads;
    TRY_ASSIGN(result, verifyCompiled(input));
    llvm::outs() << llvm::formatv(
        "  verified: {0} launches agree with the interpreter; the largest difference is {1:P0} "
        "of what is allowed, in {2}\n",
        result.launches, result.largest, result.where);
    return Error::success();
  }

  /// The payload's "info" section, as runtime/cli/ModelInfo.h documents it.
  llvm::json::Object info(std::string compilerName, std::string flags) const {
    using llvm::json::Object;
    std::map<std::string, int64_t> bytesOfType;
    int64_t parameters = 0;
    for (auto &w : module->weights()) {
      parameters += w->type.numElements();
      bytesOfType[w->type.element.str()] += w->type.numElements();
    }
    Object quantization;
    for (auto &[type, count] : bytesOfType)
      quantization[type] = count;
    const GenerationDefaults &g = checkpoint.generation;
    Object generation{{"eos_token_ids", llvm::json::Array(g.eosTokenIds)}};
    auto set = [&](llvm::StringRef key, const auto &v) {
      if (v)
        generation[key] = *v;
    };
    set("bos_token_id", g.bosTokenId);
    set("pad_token_id", g.padTokenId);
    set("temperature", g.temperature);
    set("top_p", g.topP);
    set("top_k", g.topK);
    uint64_t kvPerToken = plan.kvBlockBytes * plan.numLayers / plan.kvBlockTokens;
    return Object{{"model", checkpoint.name},
                  {"architecture", llvm::sys::path::stem(description).str()},
                  {"target", target.name},
                  {"quantization", std::move(quantization)},
                  {"parameters", parameters},
                  {"memory", Object{{"weights", plan.weights.bytes()},
                                    {"arena", plan.arenaBytes},
                                    {"kv_bytes_per_token", kvPerToken},
                                    {"kv_bytes_per_sequence", kvPerToken * module->maxSeqLen}}},
                  {"generation", std::move(generation)},
                  {"compiler", "sinter " SINTER_VERSION},
                  {"build", Object{{"cxx", std::move(compilerName)}, {"flags", std::move(flags)}}}};
  }

  void report(const ExecutableSizes &sizes, const CompiledObjects &objects) const {
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    llvm::outs() << llvm::formatv("{0}: {1} for {2}\n", options.output, checkpoint.name, target.name)
                 << llvm::formatv("  {0} kernels in {1} launches, {2} of {3} objects from the cache, {4:f1} s\n",
                                  files.size() - 1, plan.launches.size(), objects.fromCache, objects.paths.size(),
                                  seconds)
                 << llvm::formatv("  {0} MiB: code {1} MiB, weights {2} MiB\n", mib(sizes.file), mib(sizes.code),
                                  mib(sizes.weights))
                 << llvm::formatv("  memory: activations {0} MiB, KV cache {1} KiB a token, {2} MiB for {3} tokens\n",
                                  mib(plan.arenaBytes), plan.kvBlockBytes * plan.numLayers / plan.kvBlockTokens / 1024,
                                  mib(plan.kvBlockBytes * plan.numLayers / plan.kvBlockTokens * module->maxSeqLen),
                                  module->maxSeqLen);
  }

  static std::string mib(uint64_t bytes) { return llvm::formatv("{0:f1}", double(bytes) / (1 << 20)).str(); }

  const CompileOptions &options;
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  Installation installation;
  Target target;
  Checkpoint checkpoint;
  std::unique_ptr<Module> module;
  std::string description;
  PassOptions pass;
  LaunchPlan plan;
  std::vector<EmittedFile> files;
};

} // namespace

Error compile(const CompileOptions &options) { return Compilation(options).run(); }

} // namespace sinter
