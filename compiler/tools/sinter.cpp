// SPDX-License-Identifier: Apache-2.0
// The compiler's command line.
#include "compiler/driver/OutputPaths.h"
#include "ir/Diagnostics.h"
#include "ir/Try.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"

using namespace sinter;
namespace cl = llvm::cl;

namespace {

llvm::Error bad(const llvm::Twine &message) { return llvm::createStringError(message); }

/// Numbers are read in options(), where their range is known: LLVM's parser would say only that they are invalid.
using NumberFlag = cl::opt<std::string>;

constexpr llvm::StringLiteral phaseHelp = "Stop after a phase and write what it made\n"
                                          "expand: the model as IR, its description's holes filled\n"
                                          "passes: the IR that code is generated from\n"
                                          "codegen: the emitted C++, into the folder -o\n"
                                          "exe: everything";

llvm::Expected<Phase> parsePhase(llvm::StringRef text) {
  auto phase = llvm::StringSwitch<std::optional<Phase>>(text)
                   .Case("expand", Phase::Expand)
                   .Case("passes", Phase::Passes)
                   .Case("codegen", Phase::Codegen)
                   .Case("exe", Phase::Executable)
                   .Default(std::nullopt);
  if (!phase)
    return bad("--compile-to " + text + ": expected expand, passes, codegen or exe");
  return *phase;
}

/// The flags of `sinter compile`. Defaults are those of CompileOptions, so that they are stated once.
struct CompileCommand {
  CompileOptions defaults;
  cl::SubCommand command{"compile", "Compile a model into one executable"};
  cl::opt<std::string> model{cl::Positional, cl::desc("MODEL (a Hugging Face directory or a GGUF file)"),
                             cl::sub(command)};
  cl::opt<std::string> output{"o", cl::desc("File to write"), cl::value_desc("file"), cl::sub(command)};
  cl::opt<std::string> target{"target", cl::desc("cpu (this machine), cpu:x86-64-v3, cpu:x86-64-v4"),
                              cl::init(defaults.target), cl::sub(command)};
  cl::opt<std::string> until{"compile-to", cl::desc(phaseHelp), cl::value_desc("phase"), cl::init("exe"),
                             cl::sub(command)};
  cl::opt<std::string> pipeline{"passes", cl::desc("Passes in place of the default ones"), cl::value_desc("a,b,c"),
                                cl::sub(command)};
  NumberFlag maxSeqs{"max-seqs", cl::desc("Sequences in a step at most"), cl::value_desc("n"), cl::sub(command)};
  NumberFlag maxSeqLen{"max-seq-len", cl::desc("Tokens of a sequence at most (default: the model's, up to 32768)"),
                       cl::value_desc("n"), cl::sub(command)};
  NumberFlag maxStepTokens{"max-step-tokens", cl::desc("Tokens of a step at most"), cl::value_desc("n"),
                           cl::sub(command)};
  cl::opt<std::string> kvDtype{"kv-dtype", cl::desc("How keys and values are stored: f32, bf16 or f16"),
                               cl::sub(command)};
  cl::opt<std::string> activations{"activations", cl::desc("What quantized weights multiply: i8 (fast) or f32 (exact)"),
                                   cl::init("i8"), cl::sub(command)};
  cl::opt<std::string> weights{"weights", cl::desc("embedded in the executable, or external: in FILE.weights"),
                               cl::init("embedded"), cl::sub(command)};
  cl::opt<bool> verify{"verify", cl::desc("Compare the compiled step with the interpreter, op by op"),
                       cl::sub(command)};
  cl::list<std::string> printAfter{"print-ir-after", cl::desc("Print the IR after these passes"), cl::CommaSeparated,
                                   cl::value_desc("pass"), cl::sub(command)};
  cl::list<std::string> printBefore{"print-ir-before", cl::desc("Print the IR before these passes"), cl::CommaSeparated,
                                    cl::value_desc("pass"), cl::sub(command)};
  cl::opt<bool> printAfterAll{"print-ir-after-all", cl::desc("Print the IR after every pass that changed it"),
                              cl::sub(command)};
  cl::opt<std::string> layers{"layers", cl::desc("Print only these layers"), cl::value_desc("0..1"), cl::sub(command)};
  cl::opt<bool> timePasses{"time-passes", cl::desc("Print how long every pass took"), cl::sub(command)};
  cl::opt<bool> checkSemantics{"check-semantics", cl::desc("Interpret the graph before and after every pass"),
                               cl::sub(command)};
  cl::opt<std::string> dump{"dump", cl::desc("Write the IR after every pass and the emitted files into a folder"),
                            cl::value_desc("dir"), cl::sub(command)};
  NumberFlag jobs{"jobs", cl::desc("Compilers to run at once (default: one a core)"), cl::value_desc("n"),
                  cl::sub(command)};
  cl::opt<std::string> cxx{"cxx", cl::desc("The host's C++ compiler"), cl::init(defaults.compiler), cl::sub(command)};

  llvm::Expected<CompileOptions> options() const;
};

llvm::Expected<std::pair<int, int>> parseLayers(llvm::StringRef text) {
  auto [first, last] = text.split("..");
  std::pair<int, int> range;
  if (first.getAsInteger(10, range.first) || last.getAsInteger(10, range.second) || range.first < 0 ||
      range.first > range.second)
    return bad("--layers " + text + ": expected a range such as 0..1");
  return range;
}

/// Sets `value` where the flag is given.
template <typename T>
llvm::Error readNumber(const NumberFlag &flag, int64_t most, T &value) {
  if (flag.getNumOccurrences() == 0)
    return llvm::Error::success();
  int64_t number = 0;
  if (llvm::StringRef(flag).getAsInteger(10, number) || number < 1 || number > most)
    return bad(llvm::formatv("--{0} {1}: expected a number from 1 to {2}", flag.ArgStr, flag, most));
  value = number;
  return llvm::Error::success();
}

/// Every value gets its place from plan-memory, and code is made of places.
llvm::Error checkPipeline(llvm::StringRef text, Phase until) {
  TRY_ASSIGN(pipeline, parsePipeline(text));
  if (until >= Phase::Codegen && !pipeline.empty() && pipeline.back()->name != "plan-memory")
    return bad("--passes " + text + ": expected plan-memory as the last pass, found " + pipeline.back()->name);
  return llvm::Error::success();
}

llvm::Error checkPassNames(const cl::list<std::string> &flag) {
  for (const std::string &name : flag)
    if (auto known = parsePipeline(name); !known || known->empty())
      return known ? bad("--" + flag.ArgStr + ": expected the name of a pass, found none") : known.takeError();
  return llvm::Error::success();
}

llvm::Expected<CompileOptions> CompileCommand::options() const {
  if (model.empty())
    return bad("expected a model: sinter compile MODEL -o FILE");
  CompileOptions o;
  o.model = model;
  o.output = output;
  o.target = target;
  TRY_ASSIGN(phase, parsePhase(until));
  o.until = phase;
  o.pipeline = pipeline;
  if (phase >= Phase::Codegen && output.empty())
    return bad(phase == Phase::Codegen ? "expected -o DIR: where to write the emitted files"
                                       : "expected -o FILE: the executable to write");
  TRY(checkPipeline(pipeline, phase));
  TRY(readNumber(maxSeqs, 4096, o.maxSeqs));
  TRY(readNumber(maxStepTokens, 65536, o.maxStepTokens));
  TRY(readNumber(maxSeqLen, 1 << 24, o.maxSeqLen));
  TRY(readNumber(jobs, 1024, o.jobs));
  if (!kvDtype.empty()) {
    auto element = parseElementType(kvDtype);
    if (!element || !element->isFloat()) {
      llvm::consumeError(element.takeError());
      return bad("--kv-dtype " + kvDtype + ": expected f32, bf16 or f16");
    }
    o.kvType = *element;
  }
  if (activations != "i8" && activations != "f32")
    return bad("--activations " + activations + ": expected i8 or f32");
  o.quantizeActivations = activations == "i8";
  if (weights != "embedded" && weights != "external")
    return bad("--weights " + weights + ": expected embedded or external");
  o.externalWeights = weights == "external";
  o.verify = verify;
  TRY(checkPassNames(printAfter));
  TRY(checkPassNames(printBefore));
  o.run.printAfter.assign(printAfter.begin(), printAfter.end());
  o.run.printBefore.assign(printBefore.begin(), printBefore.end());
  o.run.printAfterAll = printAfterAll;
  o.run.timePasses = timePasses;
  o.run.checkSemantics = checkSemantics;
  if (!layers.empty()) {
    TRY_ASSIGN(range, parseLayers(layers));
    o.run.print.layers = range;
  }
  o.dumpDir = dump;
  o.compiler = cxx;
  return o;
}

llvm::Error runCompile(const CompileCommand &command) {
  TRY_ASSIGN(options, command.options());
  TRY(checkOutputPaths(options));
  return compile(options);
}

/// LLVM's message as one line in our form: "sinter: Unknown ... '--x'.  Try: 'sinter --help'\n..." and the like.
llvm::Error commandLineError(llvm::StringRef message) {
  message = message.split('\n').first;
  message.consume_front("sinter: ");
  std::string text = message.take_front(message.find("  Try: ")).rtrim(".!").str();
  if (!text.empty())
    text[0] = llvm::toLower(text[0]);
  return bad(text + " (see --help)");
}

/// Absent: a parser of a flag's value has said already what is wrong.
std::optional<llvm::Error> run(int argc, char **argv) {
  static CompileCommand compileCommand;
  std::string message;
  llvm::raw_string_ostream os(message);
  if (!cl::ParseCommandLineOptions(argc, argv, "Sinter compiles a language model into one native executable\n", &os))
    return message.empty() ? std::nullopt : std::optional(commandLineError(message));
  if (compileCommand.command)
    return runCompile(compileCommand);
  return bad("expected a command: compile (see --help)");
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  std::optional<llvm::Error> error = run(argc, argv);
  if (error && !*error)
    return 0;
  if (error)
    reportError(std::move(*error));
  return 1;
}
