// SPDX-License-Identifier: Apache-2.0
// The text of the emitted files.
#include "codegen/cpu/CpuEmit.h"
#include "codegen/OpText.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <map>

namespace sinter {

namespace {

/// The configs of a launch's calls, named config0, config1, ...: what makes two kernels the same.
std::string configsOf(const CpuKernelLaunch &launch) {
  std::string text;
  for (auto [i, c] : llvm::enumerate(launch.calls))
    text += llvm::formatv("constexpr {0} config{1} = {{{2}};\n", c.config, i, c.fields.str()).str();
  return text;
}

/// Scratch that a call needs of every thread, as an expression.
std::string scratchOf(const CpuTemplateCall &c, size_t i) {
  if (c.config == "LinearConfig")
    return llvm::formatv("linearScratchBytes<config{0}>()", i).str();
  return llvm::formatv("config{0}.scratchBytes()", i).str();
}

std::string kernelText(llvm::StringRef name, const CpuKernelLaunch &launch) {
  llvm::SetVector<llvm::StringRef> headers;
  std::string calls, scratch;
  for (auto [i, c] : llvm::enumerate(launch.calls)) {
    headers.insert(c.header);
    calls += llvm::formatv("  {0}<config{1}>(step, args, worker);\n", c.function, i).str();
    scratch += llvm::formatv("{0}uint64_t({1})", i ? ", " : "", scratchOf(c, i)).str();
  }
  std::string text = opComment(*launch.op);
  for (llvm::StringRef header : headers)
    text += llvm::formatv("#include \"{0}\"\n", header).str();
  text += "#include <algorithm>\n\nusing namespace sinter::cpu;\n\n" + configsOf(launch);
  text += llvm::formatv("\nextern \"C\" void {0}(const sinter::rt::Step &step, const sinter::rt::Args &args,\n"
                        "{1}const sinter::rt::Worker &worker) {{\n{2}}\n",
                        name, std::string(name.size() + 17, ' '), calls)
              .str();
  text += llvm::formatv("\nextern \"C\" const uint64_t {0}_scratch = std::max({{{1}});\n", name, scratch).str();
  return text;
}

llvm::StringRef nameOf(rt::ArgKind kind) {
  switch (kind) {
  case rt::ArgKind::Weight:
    return "Weight";
  case rt::ArgKind::Value:
    return "Value";
  case rt::ArgKind::KvLayer:
    return "KvLayer";
  case rt::ArgKind::Logits:
    return "Logits";
  }
  llvm_unreachable("an argument without a kind");
}

/// The arguments of all launches as one array, and the launches that point into it.
void launchTables(const CpuLaunchPlan &plan, llvm::ArrayRef<std::string> kernels, llvm::raw_ostream &os) {
  os << "constexpr Arg buffers[] = {\n";
  for (const CpuKernelLaunch &l : plan.launches) {
    os << "    ";
    for (const rt::Arg &arg : l.args)
      os << llvm::formatv("{{ArgKind::{0}, {1}}, ", nameOf(arg.kind), arg.offset);
    os << "\n";
  }
  os << "};\n\nconstexpr Launch launches[] = {\n";
  size_t at = 0;
  for (auto [l, kernel] : llvm::zip_equal(plan.launches, kernels)) {
    os << llvm::formatv("    {{{0}, {1}, \"{0}\", buffers + {2}, {3}, {4}, {5}, {6}},\n", kernel, cppString(str(*l.op)),
                        at, l.args.size(), l.op->layer, cppNumber(l.weightBytes), cppNumber(l.flopsPerToken));
    at += l.args.size();
  }
  os << "};\n\n";
}

std::string planText(const CpuLaunchPlan &plan, llvm::ArrayRef<std::string> kernels, const Target &target,
                     const PlanFacts &facts) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "// The launch plan of " << facts.model << " for " << target.name << ".\n"
     << "#include \"runtime/abi/Plan.h\"\n#include <algorithm>\n\nusing namespace sinter::rt;\n\n";
  llvm::SetVector<llvm::StringRef> distinct(kernels.begin(), kernels.end());
  for (llvm::StringRef k : distinct)
    os << llvm::formatv("extern \"C\" void {0}(const Step &, const Args &, const Worker &);\n"
                        "extern \"C\" const uint64_t {0}_scratch;\n",
                        k);
  os << "\nnamespace {\n";
  launchTables(plan, kernels, os);
  os << llvm::formatv("constexpr Bucket buckets[] = {{{{{0}, launches, {1}}};\n} // namespace\n\n", facts.maxStepTokens,
                      plan.launches.size());
  std::string scratch =
      llvm::join(llvm::map_range(distinct, [](llvm::StringRef k) { return (k + "_scratch").str(); }), ", ");
  emitPlan(plan, target, facts, "std::max({" + scratch + "})", "    .buckets = buckets,\n    .numBuckets = 1,\n", os);
  return text;
}

} // namespace

CpuCode emitCpu(const CpuLaunchPlan &plan, const Target &target, const PlanFacts &facts) {
  CpuCode code;
  std::map<std::string, std::string> kernelOfConfigs;
  for (const CpuKernelLaunch &launch : plan.launches) {
    auto [it, isNew] = kernelOfConfigs.try_emplace(launch.op->kernel + "\n" + configsOf(launch));
    if (isNew) {
      it->second = llvm::formatv("k{0:02}_{1}", code.files.size(), launch.op->kernel).str();
      code.files.push_back({it->second + ".cpp", kernelText(it->second, launch)});
    }
    code.kernelOfLaunch.push_back(it->second);
  }
  code.files.push_back({"plan.cpp", planText(plan, code.kernelOfLaunch, target, facts)});
  return code;
}

} // namespace sinter
