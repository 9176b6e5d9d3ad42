// SPDX-License-Identifier: Apache-2.0
// One GPU, checked against what an executable needs before anything is loaded into it.
#pragma once
#include "runtime/device/cuda/CudaDriver.h"
#include <string>
#include <string_view>

namespace sinter::rt {

/// Whether code for `architecture` ("sm_90a") runs on a GPU of that compute capability: with a letter on no other,
/// without one on later minors of the same major too.
bool runsOnCapability(std::string_view architecture, int major, int minor);

struct CudaNeeds {
  std::string architecture; ///< "sm_90a"
  uint64_t memoryBytes = 0; ///< of the GPU: weights, KV pools, activations
};

struct CudaDeviceFacts {
  std::string name; ///< "NVIDIA H200"
  int major = 0, minor = 0;
  int multiprocessors = 0;
  double clockHertz = 0; ///< at most
  int64_t l2Bytes = 0;
  int64_t maxSharedBytesPerBlock = 0; ///< after opting in
  uint64_t totalBytes = 0;
  uint64_t freeBytes = 0; ///< when it was opened, its context included

  /// Whether a kernel can start before the one in front of it has ended (CudaLaunchAttribute).
  bool overlapsLaunches() const { return major >= 9; }
  std::string architecture() const { return "sm_" + std::to_string(major) + std::to_string(minor); }
};

/// Owns a reference to the GPU's primary context, which is current in the thread that opened it.
class CudaDevice {
public:
  /// Errors: there is no GPU of that index; it is of another architecture; its free memory is less than is needed.
  /// `driver` must outlive the result.
  static Result<CudaDevice> open(const CudaDriver &driver, const CudaNeeds &needs, int index = 0);

  CudaDevice(CudaDevice &&other) noexcept;
  CudaDevice &operator=(CudaDevice &&other) noexcept;
  ~CudaDevice() { release(); }

  const CudaDriver &driver() const { return *cuda; }
  const CudaDeviceFacts &facts() const { return known; }
  /// For every further thread that calls the driver.
  Result<void> makeCurrent() const { return cuda->call(cuda->cuCtxSetCurrent, context); }

private:
  CudaDevice(const CudaDriver &driver, CudaOrdinal ordinal) : cuda(&driver), ordinal(ordinal) {}
  Result<void> readFacts();
  Result<void> checkArchitecture(const CudaNeeds &needs) const;
  Result<void> openContext();
  Result<void> checkMemory(const CudaNeeds &needs);
  void release();

  const CudaDriver *cuda;
  CudaOrdinal ordinal;
  CudaContextHandle context = nullptr;
  CudaDeviceFacts known;
};

} // namespace sinter::rt
