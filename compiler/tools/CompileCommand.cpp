// SPDX-License-Identifier: Apache-2.0
#include "compiler/tools/CompileCommand.h"
#include "compiler/driver/OutputPaths.h"
#include "ir/Try.h"
#include "llvm/ADT/StringSwitch.h"

namespace sinter {

namespace {

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

llvm::Expected<std::pair<int, int>> parseLayers(llvm::StringRef text) {
  auto [first, last] = text.split("..");
  std::pair<int, int> range;
  if (first.getAsInteger(10, range.first) || last.getAsInteger(10, range.second) || range.first < 0 ||
      range.first > range.second)
    return bad("--layers " + text + ": expected a range such as 0..1");
  return range;
}

/// Every value gets its place from plan-memory, and code is made of places.
llvm::Error checkPipeline(llvm::StringRef text, Phase until) {
  TRY_ASSIGN(pipeline, parsePipeline(text));
  if (until >= Phase::Codegen && !pipeline.empty() && pipeline.back()->name != "plan-memory")
    return bad("--passes " + text + ": expected plan-memory as the last pass, found " + pipeline.back()->name);
  return llvm::Error::success();
}

llvm::Error checkPassNames(const llvm::cl::list<std::string> &flag) {
  for (const std::string &name : flag)
    if (auto known = parsePipeline(name); !known || known->empty())
      return known ? bad("--" + flag.ArgStr + ": expected the name of a pass, found none") : known.takeError();
  return llvm::Error::success();
}

} // namespace

llvm::Error CompileCommand::readOutput(CompileOptions &o) const {
  o.output = output;
  TRY_ASSIGN(phase, parsePhase(until));
  o.until = phase;
  if (phase >= Phase::Codegen && output.empty())
    return bad(phase == Phase::Codegen ? "expected -o DIR: where to write the emitted files"
                                       : "expected -o FILE: the executable to write");
  o.pipeline = pipeline;
  return checkPipeline(pipeline, phase);
}

llvm::Error CompileCommand::readDebugging(CompileOptions &o) const {
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
  return llvm::Error::success();
}

llvm::Expected<CompileOptions> CompileCommand::options() const {
  if (model.empty())
    return bad("expected a model: sinter compile MODEL -o FILE");
  CompileOptions o;
  o.model = model;
  TRY(readOutput(o));
  TRY(modelFlags.read(o));
  TRY(readNumber(jobs, 1, 1024, o.jobs));
  o.verify = verify;
  TRY(readDebugging(o));
  o.compiler = cxx;
  return o;
}

llvm::Error CompileCommand::run() const {
  TRY_ASSIGN(chosen, options());
  TRY(checkOutputPaths(chosen));
  return compile(chosen);
}

} // namespace sinter
