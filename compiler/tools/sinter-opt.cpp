// SPDX-License-Identifier: Apache-2.0
// sinter-opt: text in, passes, text out. What the text tests drive, and what one looks at a pass with.
#include "compiler/tools/ConfigHoles.h"
#include "ir/Diagnostics.h"
#include "ir/Try.h"
#include "passes/Pass.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace sinter;
namespace cl = llvm::cl;

namespace {

cl::OptionCategory category("sinter-opt");
cl::opt<std::string> inputPath(cl::Positional, cl::desc("FILE.sir, or - for standard input"), cl::init("-"),
                               cl::cat(category));
cl::opt<std::string> passes("passes",
                            cl::desc("passes to run, in order; 'default': those of sinter compile for --target"),
                            cl::value_desc("a,b,c"), cl::cat(category));
cl::opt<bool> verifyRoundtrip("verify-roundtrip", cl::desc("parse what was printed and compare"), cl::cat(category));
cl::opt<bool> checkMeaning("check-semantics", cl::desc("run the graphs before and after every pass and compare"),
                           cl::cat(category));
cl::list<std::string> printBefore("print-ir-before", cl::desc("print the IR before these passes"),
                                  cl::value_desc("pass"), cl::CommaSeparated, cl::cat(category));
cl::list<std::string> printAfter("print-ir-after", cl::desc("print the IR after these passes"), cl::value_desc("pass"),
                                 cl::CommaSeparated, cl::cat(category));
cl::opt<bool> printBeforeAll("print-ir-before-all", cl::desc("print the IR before every pass"), cl::cat(category));
cl::opt<bool> printAfterAll("print-ir-after-all", cl::desc("print the IR after every pass that changed it"),
                            cl::cat(category));
cl::opt<std::string> dumpDir("dump", cl::desc("write NN-pass.sir after every pass that changed something"),
                             cl::value_desc("folder"), cl::cat(category));
cl::opt<bool> timePasses("time-passes", cl::desc("print how long every pass took"), cl::cat(category));
cl::opt<bool> listPasses("list-passes", cl::desc("name the passes and stop"), cl::cat(category));
cl::opt<bool> listOps("list-ops", cl::desc("name the ops with operands and attributes and stop"), cl::cat(category));
cl::opt<std::string> layers("layers", cl::desc("print only these layers"), cl::value_desc("0..1"), cl::cat(category));
cl::opt<bool> printLocations("print-locations", cl::desc("print where every op was written"), cl::cat(category));
cl::opt<bool> splitInput("split-input-file", cl::desc("read the parts between '// -----' lines one by one"),
                         cl::cat(category));
cl::opt<std::string> configPath("config", cl::desc("read a model description, with the holes filled from this JSON"),
                                cl::value_desc("file"), cl::cat(category));
cl::opt<std::string> architecture("architecture", cl::desc("the model of the description to read"),
                                  cl::value_desc("name"), cl::cat(category));
cl::opt<std::string> matrixType("matrix-type", cl::desc("element type of a description's matrices; dtype by default"),
                                cl::cat(category));
cl::opt<std::string> kvType("kv-type", cl::desc("element type of the KV cache"), cl::init("f32"), cl::cat(category));
cl::opt<std::string> activations("activations", cl::desc("inputs of matmuls with quantized weights: i8 or f32"),
                                 cl::init("i8"), cl::cat(category));
cl::opt<std::string> target("target", cl::desc("whose kernels select-kernels knows"), cl::init(PassOptions().target),
                            cl::cat(category));
cl::opt<int64_t> maxStepTokens("max-step-tokens", cl::desc("T at most"), cl::init(PassOptions().maxStepTokens),
                               cl::cat(category));

llvm::Error badOption(const llvm::Twine &text) { return llvm::createStringError(text); }

/// "linear x, weights... {bias..., residual..., to?}": the members as the op registered them.
void printOpShape(const Op &op, llvm::raw_ostream &os) {
  os << op.mnemonic();
  const char *separator = " ";
  auto named = [](const OpMember &m) {
    return m.kind == OpMember::Kind::NamedOperands || m.kind == OpMember::Kind::Attr;
  };
  for (const OpMember *m : op.members())
    if (!named(*m))
      os << std::exchange(separator, ", ") << m->name << (m->kind == OpMember::Kind::OperandList ? "..." : "");
  separator = " {";
  for (const OpMember *m : op.members())
    if (named(*m)) {
      auto *attr = llvm::dyn_cast<AttrBase>(m);
      os << std::exchange(separator, ", ") << m->name << (!attr ? "..." : attr->isRequired() ? "" : "?");
    }
  os << (*separator == ',' ? "}\n" : "\n");
}

void printOps(llvm::raw_ostream &os) {
  for (const OpInfo &info : registeredOps())
    printOpShape(*info.create(), os);
}

void printPasses(llvm::raw_ostream &os) {
  for (const PassInfo &pass : allPasses())
    os << llvm::left_justify(pass.name, 24) << pass.summary << '\n';
}

llvm::Expected<PrintOptions> printOptions() {
  PrintOptions options;
  options.locations = printLocations;
  if (layers.empty())
    return options;
  auto [first, last] = llvm::StringRef(layers).split("..");
  std::pair<int, int> range;
  if (first.getAsInteger(10, range.first) || last.getAsInteger(10, range.second) || range.first < 0 ||
      range.second < range.first)
    return badOption("--layers: expected a range such as 0..1, found '" + layers + "'");
  options.layers = range;
  return options;
}

llvm::Expected<PassOptions> passOptions() {
  PassOptions options;
  auto kv = parseElementType(kvType);
  if (!kv)
    return badOption("--kv-type: " + llvm::toString(kv.takeError()));
  options.kvType = *kv;
  if (activations != "i8" && activations != "f32")
    return badOption("--activations: expected i8 or f32, found '" + activations + "'");
  options.quantizeActivations = activations == "i8";
  options.target = target;
  if (maxStepTokens <= 0)
    return badOption("--max-step-tokens: expected a positive number, found " + llvm::Twine(maxStepTokens));
  options.maxStepTokens = maxStepTokens;
  return options;
}

llvm::Expected<RunOptions> runOptions() {
  RunOptions run;
  run.printBeforeAll = printBeforeAll;
  run.printAfterAll = printAfterAll;
  run.printBefore = printBefore;
  run.printAfter = printAfter;
  for (const auto *names : {&run.printBefore, &run.printAfter})
    for (const std::string &name : *names)
      if (auto known = parsePipeline(name); !known)
        return known.takeError();
  run.timePasses = timePasses;
  run.checkSemantics = checkMeaning;
  run.dumpDir = dumpDir;
  TRY_ASSIGN(print, printOptions());
  run.print = print;
  return run;
}

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> readInput() {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(inputPath, /*IsText=*/true);
  if (!buffer)
    return badOption(inputPath + ": cannot read: " + buffer.getError().message());
  return std::move(*buffer);
}

llvm::Error verifyText(llvm::StringRef text, llvm::StringRef name) {
  auto again = parseModule({text, name});
  if (!again)
    return badOption("--verify-roundtrip: what was printed does not parse: " + llvm::toString(again.takeError()));
  std::string second;
  llvm::raw_string_ostream os(second);
  print(**again, os);
  if (second == text)
    return llvm::Error::success();
  auto [was, is] = std::mismatch(text.begin(), text.end(), second.begin(), second.end());
  auto lineAround = [](llvm::StringRef s, size_t at) {
    return s.substr(s.take_front(at).rfind('\n') + 1).split('\n').first.str();
  };
  size_t at = was - text.begin();
  return badOption("--verify-roundtrip: '" + lineAround(text, at) + "' was read back as '" + lineAround(second, at) +
                   "'");
}

llvm::Error process(llvm::MemoryBufferRef text, const Holes &holes) {
  TRY_ASSIGN(module, parseModule(text, holes));
  TRY(verify(*module));
  TRY_ASSIGN(options, passOptions());
  TRY_ASSIGN(pipeline, parsePipeline(passes == "default" ? defaultPipelineFor(options) : llvm::StringRef(passes)));
  TRY_ASSIGN(run, runOptions());
  TRY(runPipeline(*module, pipeline, options, run, llvm::errs()));
  print(*module, llvm::outs(), run.print);
  if (!verifyRoundtrip)
    return llvm::Error::success();
  std::string printed;
  llvm::raw_string_ostream os(printed);
  print(*module, os);
  return verifyText(printed, "printed IR");
}

/// The parts between "// -----" lines; each keeps its line numbers by starting with as many empty lines.
std::vector<std::string> splitParts(llvm::StringRef text) {
  std::vector<std::string> parts(1);
  unsigned number = 0;
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    ++number;
    text = rest;
    if (line.starts_with("// -----"))
      parts.emplace_back(number, '\n');
    else
      parts.back() += line.str() + '\n';
  }
  return parts;
}

llvm::Error runAll(bool &failed) {
  ConfigHoles config;
  if (!configPath.empty())
    TRY(config.read(configPath, architecture, matrixType));
  const Holes &holes = config.holes();
  TRY_ASSIGN(input, readInput());
  if (!splitInput)
    return process(*input, holes);
  for (auto [i, part] : llvm::enumerate(splitParts(input->getBuffer()))) {
    if (i > 0)
      llvm::outs() << "// -----\n";
    llvm::outs().flush();
    if (llvm::Error e = process({part, input->getBufferIdentifier()}, holes)) {
      reportError(std::move(e));
      failed = true;
    }
  }
  return llvm::Error::success();
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "reads IR or a model description, runs passes, prints IR\n");
  if (listPasses || listOps) {
    (listPasses ? printPasses : printOps)(llvm::outs());
    return 0;
  }
  bool failed = false;
  if (llvm::Error e = runAll(failed)) {
    llvm::outs().flush();
    reportError(std::move(e));
    failed = true;
  }
  return failed;
}
