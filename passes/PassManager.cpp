// SPDX-License-Identifier: Apache-2.0
// Runs a pipeline: after every pass verifies the module, and on request prints it, writes it to a file, measures the
// time and compares the meaning with what it was before.
#include "ir/Try.h"
#include "passes/Pass.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include <chrono>

namespace sinter {

namespace {

using Seconds = std::chrono::duration<double>;

std::string textOf(const Module &module, const PrintOptions &options = {}) {
  std::string text;
  llvm::raw_string_ostream os(text);
  print(module, os, options);
  return text;
}

class PassManager {
public:
  PassManager(Module &module, const PassOptions &options, const RunOptions &run, llvm::raw_ostream &os)
      : module(module), options(options), run(run), os(os) {}

  llvm::Error runPipeline(const Pipeline &pipeline) {
    if (!run.dumpDir.empty())
      if (std::error_code code = llvm::sys::fs::create_directories(run.dumpDir))
        return llvm::createStringError(code, run.dumpDir + ": cannot create the folder: " + code.message());
    for (const PassInfo *pass : pipeline)
      TRY(runPass(*pass));
    if (run.timePasses)
      printTimes();
    return llvm::Error::success();
  }

private:
  llvm::Error runPass(const PassInfo &pass) {
    ++number;
    bool printAfter = run.printAfterAll || llvm::is_contained(run.printAfter, pass.name);
    if (run.printBeforeAll || llvm::is_contained(run.printBefore, pass.name))
      printModule("before", pass);
    std::string before = printAfter || !run.dumpDir.empty() ? textOf(module) : "";
    std::unique_ptr<Module> original = run.checkSemantics ? module.clone() : nullptr;

    auto start = std::chrono::steady_clock::now();
    for (auto &graph : module.graphs())
      pass.run(*graph, options);
    times.emplace_back(pass.name, std::chrono::steady_clock::now() - start);

    if (llvm::Error e = verify(module))
      return llvm::createStringError("after " + pass.name + ": " + llvm::toString(std::move(e)));
    if (!before.empty())
      TRY(showChange(pass, printAfter, before != textOf(module)));
    return original ? checkSemantics(*original, module, pass.name) : llvm::Error::success();
  }

  llvm::Error showChange(const PassInfo &pass, bool printAfter, bool changed) {
    if (printAfter && changed)
      printModule("after", pass);
    else if (printAfter)
      os << "// IR after " << pass.name << ": unchanged\n\n";
    return changed && !run.dumpDir.empty() ? dump(pass) : llvm::Error::success();
  }

  void printModule(llvm::StringRef when, const PassInfo &pass) {
    os << "// IR " << when << ' ' << pass.name << '\n' << textOf(module, run.print) << '\n';
  }

  /// Appears under its name only when it is complete.
  llvm::Error dump(const PassInfo &pass) {
    llvm::SmallString<128> path(run.dumpDir);
    llvm::sys::path::append(path, (number < 10 ? "0" : "") + llvm::Twine(number) + "-" + pass.name + ".sir");
    return llvm::writeToOutput(path, [&](llvm::raw_ostream &file) {
      print(module, file, run.print);
      return llvm::Error::success();
    });
  }

  void printTimes() {
    Seconds total{};
    for (auto &[name, time] : times)
      total += time;
    os << "// time of passes\n";
    for (auto &[name, time] : times)
      os << llvm::format("//  %9.3f ms %5.1f %%  ", time.count() * 1e3, total.count() ? time / total * 100 : 0.0)
         << name << '\n';
    os << llvm::format("//  %9.3f ms          total\n", total.count() * 1e3);
  }

  Module &module;
  const PassOptions &options;
  const RunOptions &run;
  llvm::raw_ostream &os;
  int number = 0;
  std::vector<std::pair<llvm::StringRef, Seconds>> times;
};

} // namespace

llvm::Error runPipeline(Module &module, const Pipeline &pipeline, const PassOptions &options, const RunOptions &run,
                        llvm::raw_ostream &os) {
  return PassManager(module, options, run, os).runPipeline(pipeline);
}

} // namespace sinter
