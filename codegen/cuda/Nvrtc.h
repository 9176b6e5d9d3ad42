// SPDX-License-Identifier: Apache-2.0
// NVIDIA's compiler as a library, opened at run time: this builds without CUDA, and compiles without a GPU.
#pragma once
#include "codegen/EmittedFile.h"
#include "codegen/cuda/CudaArch.h"
#include "codegen/cuda/CudaObject.h"
#include "codegen/cuda/CudaToolkit.h"
#include <memory>

namespace sinter {

struct NvrtcFunctions;

/// May be used by several threads at once. Copies are the same library, which stays open until the process ends.
class Nvrtc {
public:
  /// Of `toolkit`. Needs 13.0 or newer.
  static llvm::Expected<Nvrtc> open(CudaToolkit toolkit);
  /// What findCudaToolkit() finds.
  static llvm::Expected<Nvrtc> open(llvm::ArrayRef<std::string> venvs = {});

  std::string version() const; ///< "13.0"
  const CudaToolkit &toolkit() const { return paths; }

  /// The options that every compilation has, but for folders and the architecture.
  static llvm::ArrayRef<llvm::StringRef> commonOptions();

  /// SASS of `file` for exactly `arch`; `includeDirs` come before CUDA's own. The error has NVRTC's log, every line of
  /// which names the file and the line.
  llvm::Expected<CudaObject> compile(const EmittedFile &file, const CudaArch &arch,
                                     llvm::ArrayRef<std::string> includeDirs = {}) const;

private:
  Nvrtc(CudaToolkit toolkit, std::shared_ptr<const NvrtcFunctions> functions);
  CudaToolkit paths;
  std::shared_ptr<const NvrtcFunctions> nvrtc;
  int major = 0, minor = 0;
};

} // namespace sinter
