// SPDX-License-Identifier: Apache-2.0
// What NVRTC makes of a file: SASS, and what each kernel in it takes of the GPU.
#pragma once
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace sinter {

struct KernelResources {
  std::string name;            ///< as the linker has it: mangled, unless extern "C"
  int32_t registers = 0;       ///< of a thread
  int32_t sharedBytes = 0;     ///< static, of a block
  int32_t stackBytes = 0;      ///< local memory of a thread: arrays that have no registers, spills included
  int32_t spillStoreBytes = 0; ///< of a thread's code; 0 in every kernel of ours
  int32_t spillLoadBytes = 0;

  bool spills() const { return spillStoreBytes != 0 || spillLoadBytes != 0; }
};

struct CudaObject {
  std::string cubin;                    ///< an ELF file
  std::vector<KernelResources> kernels; ///< in order of name
  std::string log;                      ///< NVRTC's and ptxas': warnings, and what the kernels take
  bool fromCache = false;
};

/// Reads what `ptxas -v` prints. What a function that is called keeps on its stack, and spills, counts with the kernel
/// that the log has before it, so that no spill is lost.
llvm::Expected<std::vector<KernelResources>> parsePtxasLog(llvm::StringRef log);

} // namespace sinter
