// SPDX-License-Identifier: Apache-2.0
// Loading cubins.
#include "runtime/device/cuda/CudaKernels.h"

namespace sinter::rt {
namespace {

constexpr int32_t portableCluster = 8; ///< blocks that every GPU with clusters can group

Result<CudaLibrary> openLibrary(const CudaDriver &driver, const void *cubin) {
  CudaLibraryHandle library = nullptr;
  auto loaded = driver.call(driver.cuLibraryLoadData, &library, cubin, nullptr, nullptr, 0u, nullptr, nullptr, 0u);
  if (!loaded)
    return tl::unexpected(loaded.error());
  return CudaLibrary(driver, library);
}

Result<CudaFunctionHandle> findFunction(const CudaDriver &driver, const CudaKernel &kernel,
                                        const CudaLibrary &library) {
  CudaKernelHandle handle = nullptr;
  CudaFunctionHandle function = nullptr;
  auto found = driver.call(driver.cuLibraryGetKernel, &handle, library.get(), kernel.name).and_then([&] {
    return driver.call(driver.cuKernelGetFunction, &function, handle);
  });
  // The same split of every multiprocessor's memory for all: one that must change it first waits until it is idle, and
  // launches could not overlap.
  if (found)
    found = driver.call(driver.cuFuncSetAttribute, function, CudaFunctionAttribute::PreferredSharedCarveout, 100);
  if (found && kernel.dynamicShared > 0)
    found = driver.call(driver.cuFuncSetAttribute, function, CudaFunctionAttribute::MaxDynamicSharedBytes,
                        kernel.dynamicShared);
  if (found && kernel.cluster > portableCluster)
    found = driver.call(driver.cuFuncSetAttribute, function, CudaFunctionAttribute::NonPortableClusterSizeAllowed, 1);
  if (!found)
    return tl::unexpected(found.error());
  return function;
}

} // namespace

Result<CudaKernels> CudaKernels::load(const CudaDriver &driver, const CudaPlan &plan,
                                      std::span<const std::byte> cubins) {
  CudaKernels kernels;
  for (const CudaKernel &kernel : std::span(plan.kernels, static_cast<size_t>(plan.numKernels))) {
    if (kernel.offset > cubins.size() || kernel.size > cubins.size() - kernel.offset)
      return fail(std::string("kernel ") + kernel.name + ": its code ends at byte " +
                  std::to_string(kernel.offset + kernel.size) + ", the payload's section 'cubins' has " +
                  std::to_string(cubins.size()));
    Result<CudaLibrary> library = openLibrary(driver, cubins.data() + kernel.offset);
    if (!library)
      return fail(std::string("kernel ") + kernel.name + ": " + library.error().message);
    Result<CudaFunctionHandle> function = findFunction(driver, kernel, *library);
    if (!function)
      return fail(std::string("kernel ") + kernel.name + ": " + function.error().message);
    kernels.libraries.push_back(std::move(*library));
    kernels.functions.push_back(*function);
  }
  return kernels;
}

} // namespace sinter::rt
