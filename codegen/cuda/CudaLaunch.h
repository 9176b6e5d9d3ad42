// SPDX-License-Identifier: Apache-2.0
// What selection gives on the CUDA target: distinct kernels, and for every bucket of rows the launches that use them.
#pragma once
#include "codegen/ConfigText.h"
#include "codegen/StepPlan.h"
#include "runtime/abi/CudaPlan.h"
#include <map>

namespace sinter {

/// A kernel template, as its callers write it.
struct CudaTemplate {
  llvm::StringRef header;   ///< "templates/cuda/matvec.cuh"
  llvm::StringRef function; ///< "matvec"
  llvm::StringRef config;   ///< "MatvecConfig"
};

/// One call of a template with one config, compiled by itself; the launch geometry is what the config says.
struct CudaKernelCall {
  std::string name; ///< "k03_swiglu_linear_16", of the file and of its entry point
  CudaTemplate callee;
  std::string fields; ///< ".n = 6144, .k = 2560, ..."
  const Op *op;       ///< the first that it serves
  int numArgs, threads, blocksPerSm, grid, cluster, sharedBytes;
  uint64_t workspaceBytes, counterBytes; ///< that a launch of it may touch
};

/// One launch of a list.
struct CudaKernelLaunch {
  size_t kernel; ///< of CudaLaunchPlan::kernels
  const Op *op;
  llvm::SmallVector<rt::CudaArg, 9> args;
  double weightBytes = 0;  ///< read once a step
  double rowBytes = 0;     ///< activations read and written, for every row
  double contextBytes = 0; ///< keys and values read, for every token of context of every sequence
  double rowFlops = 0;     ///< for every row; multiply-adds count two
  double pairFlops = 0;    ///< for every row and token of its context
};

struct CudaKernelList {
  int64_t maxRows;
  std::vector<CudaKernelLaunch> launches;
};

/// Of the CUDA target. Lists as runtime/abi/CudaPlan.h says.
struct CudaLaunchPlan : StepPlan {
  std::vector<CudaKernelCall> kernels;
  std::vector<CudaKernelList> decode, mixed, heads, denseHeads, resident, residentHeads;
  std::vector<rt::CudaTensorMap> tensorMaps;
  std::vector<rt::CudaArg> pointers;
  uint64_t workspaceBytes = 0, counterBytes = 0, exchangeBytes = 0;
  int residentBlocks = 0;
};

/// Collects the fields of a config as the initialiser of that config: ".n = 6144, .epilogue = Epilogue::None".
class ConfigPrinter {
public:
  void operator()(llvm::StringRef name, bool v) { text.field(name, v); }
  void operator()(llvm::StringRef name, float v) { text.field(name, double(v)); }
  template <typename T>
  void operator()(llvm::StringRef name, T v) {
    if constexpr (std::is_enum_v<T>)
      text.code(name, nameOf(v)); // found beside the enum
    else
      text.field(name, int64_t(v));
  }
  llvm::StringRef str() const { return text.str(); }

private:
  ConfigText text;
};

} // namespace sinter
