// SPDX-License-Identifier: Apache-2.0
// Target names to compiler flags, and this machine to a target name.
#include "codegen/Target.h"
#include "codegen/cuda/CudaArch.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

namespace sinter {

namespace {

struct Level {
  llvm::StringLiteral name, cpuinfo; ///< what the kernels use of a level, in /proc/cpuinfo's words
};
constexpr Level levels[] = {
    {"x86-64-v3", "avx2 fma f16c bmi2"},
    {"x86-64-v4", "avx2 fma f16c bmi2 avx512f avx512bw avx512cd avx512dq avx512vl"},
};

struct Extension {
  llvm::StringLiteral name, cpuinfo; ///< -m flag without -m; /proc/cpuinfo's word
};
/// What kernels use beyond the levels. The first two need x86-64-v4.
constexpr Extension extensions[] = {
    {"avx512vnni", "avx512_vnni"},
    {"avx512bf16", "avx512_bf16"},
    {"avx512vbmi", "avx512vbmi"},
    {"avxvnni", "avx_vnni"},
};

llvm::Expected<std::string> nameOfThisMachine() {
  auto host = llvm::sys::getHostCPUFeatures();
  auto has = [&](llvm::StringRef feature) { return host.lookup(feature); };
  if (!has("avx2") || !has("fma") || !has("f16c") || !has("bmi2"))
    return llvm::createStringError("--target cpu: this machine has no AVX2 and FMA, which every kernel needs");
  bool v4 = has("avx512f") && has("avx512bw") && has("avx512cd") && has("avx512dq") && has("avx512vl");
  std::string name = v4 ? "x86-64-v4" : "x86-64-v3";
  for (const Extension &e : extensions)
    if (has(e.name) && (v4 || !e.name.starts_with("avx512")))
      name += ("+" + e.name).str();
  return name;
}

/// "cuda:sm_80, cuda:sm_86, ..."
std::string cudaNames() {
  return llvm::join(llvm::map_range(cudaArchs(), [](const CudaArch &arch) { return ("cuda:" + arch.name).str(); }),
                    ", ");
}

llvm::Error unknown(llvm::StringRef text) {
  std::string known;
  for (const Level &l : levels)
    known += (", cpu:" + l.name).str();
  return llvm::createStringError("--target " + text + ": expected cpu" + known +
                                 ", with extensions such as +avx512vnni, or " + cudaNames());
}

/// The host's part of a CUDA target runs on any x86-64.
llvm::Expected<Target> parseCuda(llvm::StringRef text, llvm::StringRef architecture) {
  auto arch = findCudaArch(architecture);
  if (!arch) {
    llvm::consumeError(arch.takeError());
    return llvm::createStringError("--target " + text + ": expected " + cudaNames());
  }
  return Target{text.str(), {"-march=x86-64"}, "", *arch};
}

} // namespace

llvm::Expected<Target> parseTarget(llvm::StringRef text) {
  auto [kind, machine] = text.split(':');
  if (kind == "cuda")
    return parseCuda(text, machine);
  if (kind != "cpu" || text.ends_with(":"))
    return unknown(text);
  std::string name = machine.str();
  if (machine.empty()) {
    auto host = nameOfThisMachine();
    if (!host)
      return host.takeError();
    name = *host;
  }
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(name).split(parts, '+');
  auto level = llvm::find_if(levels, [&](const Level &l) { return l.name == parts[0]; });
  if (level == std::end(levels))
    return unknown(text);
  Target target{"cpu:" + name, {("-march=" + level->name).str()}, level->cpuinfo.str(), nullptr};
  for (llvm::StringRef part : llvm::drop_begin(parts)) {
    auto extension = llvm::find_if(extensions, [&](const Extension &e) { return e.name == part; });
    if (extension == std::end(extensions))
      return unknown(text);
    if (part.starts_with("avx512") && level->name != "x86-64-v4")
      return llvm::createStringError("--target " + text + ": " + part + " needs x86-64-v4");
    target.compilerFlags.push_back(("-m" + part).str());
    target.cpuFeatures += (" " + extension->cpuinfo).str();
  }
  return target;
}

} // namespace sinter
