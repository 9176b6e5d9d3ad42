// SPDX-License-Identifier: Apache-2.0
// What the driver hands out, each giving itself back.
#pragma once
#include "runtime/device/cuda/CudaDevice.h"

namespace sinter::rt {

/// A handle of the driver, and the function that ends it. The driver must outlive it, and so must the context.
template <typename Handle, auto End>
class CudaOwned {
public:
  CudaOwned() = default;
  CudaOwned(const CudaDriver &driver, Handle handle) : driver(&driver), handle(handle) {}
  CudaOwned(CudaOwned &&other) noexcept : driver(other.driver), handle(std::exchange(other.handle, Handle{})) {}
  CudaOwned &operator=(CudaOwned &&other) noexcept {
    std::swap(driver, other.driver);
    std::swap(handle, other.handle);
    return *this;
  }
  ~CudaOwned() {
    if (handle)
      (void)(driver->*End)(handle);
  }

  Handle get() const { return handle; }
  explicit operator bool() const { return handle != Handle{}; }

private:
  const CudaDriver *driver = nullptr;
  Handle handle{};
};

using CudaMemory = CudaOwned<CudaAddress, &CudaFunctions::cuMemFree_v2>;
using CudaPinned = CudaOwned<void *, &CudaFunctions::cuMemFreeHost>;
using CudaStream = CudaOwned<CudaStreamHandle, &CudaFunctions::cuStreamDestroy_v2>;
using CudaEvent = CudaOwned<CudaEventHandle, &CudaFunctions::cuEventDestroy_v2>;
using CudaLibrary = CudaOwned<CudaLibraryHandle, &CudaFunctions::cuLibraryUnload>;
using CudaGraph = CudaOwned<CudaGraphHandle, &CudaFunctions::cuGraphDestroy>;
using CudaGraphExec = CudaOwned<CudaGraphExecHandle, &CudaFunctions::cuGraphExecDestroy>;

/// Device memory, 256-byte aligned; never empty. `what` names it in the error: "the KV cache".
Result<CudaMemory> allocateCudaMemory(const CudaDriver &driver, uint64_t bytes, const char *what);
/// Memory of the host that the GPU copies from and to by itself, and that kernels find at the same address.
Result<CudaPinned> allocateCudaPinned(const CudaDriver &driver, uint64_t bytes);
Result<CudaStream> makeCudaStream(const CudaDriver &driver);
/// `flags`: 0 for one that can tell times, or cudaEventNoTiming.
Result<CudaEvent> makeCudaEvent(const CudaDriver &driver, unsigned flags);

} // namespace sinter::rt
