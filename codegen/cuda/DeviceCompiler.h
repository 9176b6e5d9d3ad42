// SPDX-License-Identifier: Apache-2.0
// Runs NVRTC over emitted files, in parallel, through the content-addressed cache: an object's key is the digest of
// NVRTC's version and options, the architecture, the file and every header that it may include, CUDA's own too.
#pragma once
#include "codegen/Parallel.h"
#include "codegen/cuda/Nvrtc.h"

namespace sinter {

struct DeviceCompilerOptions {
  std::string includeDir; ///< holds templates/ and runtime/abi/
  std::string cacheDir;   ///< created when missing
  unsigned jobs = 1;
  OnProgress onProgress;
};

/// One object a file, in their order. The error names the file.
llvm::Expected<std::vector<CudaObject>> compileDeviceFiles(llvm::ArrayRef<EmittedFile> files, const CudaArch &arch,
                                                           const Nvrtc &nvrtc, const DeviceCompilerOptions &options);

} // namespace sinter
