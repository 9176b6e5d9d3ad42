// SPDX-License-Identifier: Apache-2.0
// Where NVRTC and the headers of CUDA are on this machine: in a toolkit, or in Python packages.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace sinter {

/// The headers that kernels include.
inline constexpr llvm::StringLiteral cudaHeaders[] = {"cuda_fp16.h", "cuda_bf16.h", "cuda_fp8.h"};

struct CudaToolkit {
  std::string library;    ///< path of libnvrtc, or a name for the dynamic loader
  std::string includeDir; ///< holds cudaHeaders
};

/// Searches in this order, and takes the first library and the first headers:
///   $SINTER_NVRTC            libnvrtc.so.13 itself, or a folder as below; when it is set, nothing else is searched
///   $CUDA_HOME, $CUDA_PATH   a toolkit: lib64 or lib, and include
///   $VIRTUAL_ENV, `venvs`    nvidia/cu13 or nvidia/cuda_nvrtc and nvidia/cuda_runtime in their site-packages
///   /usr/local/cuda          a toolkit
///   the dynamic loader       and /usr/include
/// The error says what was not found, where it was looked for and what to install.
llvm::Expected<CudaToolkit> findCudaToolkit(llvm::ArrayRef<std::string> venvs = {});

} // namespace sinter
