// SPDX-License-Identifier: Apache-2.0
// Opening the driver, and its errors in words.
#include "runtime/device/cuda/CudaDriver.h"
#include <dlfcn.h>

namespace sinter::rt {

namespace {

/// As cuDriverGetVersion() counts: 1000 * major + 10 * minor.
constexpr int neededVersion = 13000;
constexpr const char *install = "install NVIDIA's driver, release 580 or newer";

std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

template <typename Signature>
bool find(void *library, CudaFunction<Signature> &function) {
  function.pointer = reinterpret_cast<decltype(function.pointer)>(dlsym(library, function.symbol));
  return function.pointer != nullptr;
}

} // namespace

Result<CudaDriver> CudaDriver::open(const char *library) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return fail(std::string("no CUDA driver: cannot open ") + dlerror() + "; " + install);
  CudaDriver driver;
  // The version first: an old driver lacks functions, and its age is what the user must know.
  if (!find(handle, driver.cuDriverGetVersion))
    return fail(std::string("'") + library + "' is no CUDA driver: it has no cuDriverGetVersion");
  if (auto version = driver.checkVersion(library); !version)
    return tl::unexpected(version.error());
  if (auto resolved = driver.resolve(handle, library); !resolved)
    return tl::unexpected(resolved.error());
  if (auto initialized = driver.initialize(); !initialized)
    return tl::unexpected(initialized.error());
  return driver;
}

Result<void> CudaDriver::checkVersion(const char *name) const {
  int version = 0;
  if (CudaStatus status = cuDriverGetVersion(&version); status != cudaSuccess)
    return fail(std::string("'") + name + "' does not work: cuDriverGetVersion gives error " + std::to_string(status));
  if (version < neededVersion)
    return fail("the CUDA driver is too old: built for CUDA " + versionText(neededVersion) + ", the driver is for " +
                versionText(version) + "; " + install);
  return {};
}

Result<void> CudaDriver::resolve(void *library, const char *name) {
#define CUDA_FUNCTION(SYMBOL, PARAMETERS)                                                                              \
  if (!find(library, SYMBOL))                                                                                          \
    return fail(std::string("'") + name + "' is no driver for CUDA " + versionText(neededVersion) +                    \
                ": it has no " #SYMBOL);
#include "runtime/device/cuda/CudaFunctions.inc"
#undef CUDA_FUNCTION
  return {};
}

Result<void> CudaDriver::initialize() const {
  CudaStatus status = cuInit(0);
  if (status == cudaNoDevice)
    return fail("no GPU: the CUDA driver finds none (cuInit: " + describe(status) + ")");
  if (status != cudaSuccess)
    return fail("the CUDA driver does not start: cuInit: " + describe(status));
  return {};
}

std::string CudaDriver::describe(CudaStatus status) const {
  const char *name = nullptr, *text = nullptr;
  if (cuGetErrorName(status, &name) != cudaSuccess || !name)
    return "error " + std::to_string(status);
  if (cuGetErrorString(status, &text) != cudaSuccess || !text)
    return name;
  return std::string(name) + " (" + text + ")";
}

} // namespace sinter::rt
