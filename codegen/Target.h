// SPDX-License-Identifier: Apache-2.0
// What `--target` names: a machine to make code for, spelled out so that the same spelling gives the same bytes
// anywhere.
//
//   cpu               this machine, as the features it has
//   cpu:x86-64-v3     AVX2, FMA
//   cpu:x86-64-v4     AVX-512 F, BW, CD, DQ, VL
//   cpu:x86-64-v4+avx512vnni+avx512bf16    a level and what else is there; what `cpu` becomes
//   cuda:sm_90a       a GPU (codegen/cuda/CudaArch.h has them all), beside any x86-64 CPU
#pragma once
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace sinter {

struct CudaArch;

struct Target {
  std::string name;                       ///< in full: "cpu:x86-64-v4+avx512vnni+avx512bf16", "cuda:sm_90a"
  std::vector<std::string> compilerFlags; ///< -march and -m flags of the host compiler
  std::string cpuFeatures;                ///< what the machine must have, as /proc/cpuinfo writes it, space-separated
  const CudaArch *cuda = nullptr;         ///< null: the CPU computes

  /// What is before the colon, as passes name it: "cpu" or "cuda".
  llvm::StringRef kind() const { return cuda ? "cuda" : "cpu"; }
};

llvm::Expected<Target> parseTarget(llvm::StringRef text);

} // namespace sinter
