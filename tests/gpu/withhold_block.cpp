// SPDX-License-Identifier: Apache-2.0
// The machine's CUDA driver, but resident decode steps are launched without their last block: as on a GPU that has no
// room for it, the others wait for what it was to hand them. Built as libcuda.so.1 with the real driver as a dependency
// under another name, where every other function is found.
#include "runtime/device/cuda/CudaApi.h"
#include <cstring>
#include <dlfcn.h>

using namespace sinter::rt;

namespace {

template <typename Function>
Function *real(const char *name) {
  return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

} // namespace

extern "C" CudaStatus cuLaunchKernelEx(const CudaLaunchConfig *config, CudaFunctionHandle function, void **parameters,
                                       void **extra) {
  static auto *launch = real<decltype(cuLaunchKernelEx)>("cuLaunchKernelEx");
  static auto *nameOf = real<CudaStatus(const char **, CudaFunctionHandle)>("cuFuncGetName");
  const char *name = "";
  CudaLaunchConfig fewer = *config;
  if (nameOf(&name, function) == cudaSuccess && std::strstr(name, "decode_step"))
    --fewer.gridX;
  return launch(&fewer, function, parameters, extra);
}
