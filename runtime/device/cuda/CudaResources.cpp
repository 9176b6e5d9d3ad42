// SPDX-License-Identifier: Apache-2.0
// Making what CudaResources.h owns.
#include "runtime/device/cuda/CudaResources.h"
#include "runtime/support/Format.h"
#include <algorithm>

namespace sinter::rt {

Result<CudaMemory> allocateCudaMemory(const CudaDriver &driver, uint64_t bytes, const char *what) {
  CudaAddress address = 0;
  if (auto made = driver.call(driver.cuMemAlloc_v2, &address, std::max<size_t>(bytes, 1)); !made)
    return fail(made.error().message + ": " + formatBytes(bytes) + " for " + what);
  return CudaMemory(driver, address);
}

Result<CudaPinned> allocateCudaPinned(const CudaDriver &driver, uint64_t bytes) {
  void *memory = nullptr;
  if (auto made = driver.call(driver.cuMemHostAlloc, &memory, std::max<size_t>(bytes, 1), cudaHostMapped); !made)
    return fail(made.error().message + ": " + formatBytes(bytes) + " of pinned memory");
  return CudaPinned(driver, memory);
}

Result<CudaStream> makeCudaStream(const CudaDriver &driver) {
  CudaStreamHandle stream = nullptr;
  if (auto made = driver.call(driver.cuStreamCreate, &stream, cudaStreamNonBlocking); !made)
    return tl::unexpected(made.error());
  return CudaStream(driver, stream);
}

Result<CudaEvent> makeCudaEvent(const CudaDriver &driver, unsigned flags) {
  CudaEventHandle event = nullptr;
  if (auto made = driver.call(driver.cuEventCreate, &event, flags); !made)
    return tl::unexpected(made.error());
  return CudaEvent(driver, event);
}

} // namespace sinter::rt
