// SPDX-License-Identifier: Apache-2.0
// The kernels of a plan, loaded from the payload's cubins and ready to launch.
#pragma once
#include "runtime/abi/CudaPlan.h"
#include "runtime/device/cuda/CudaResources.h"
#include <span>
#include <vector>

namespace sinter::rt {

class CudaKernels {
public:
  /// `cubins` is the section of the payload that CudaKernel::offset counts in. Errors name the kernel.
  static Result<CudaKernels> load(const CudaDriver &driver, const CudaPlan &plan, std::span<const std::byte> cubins);

  /// Of the plan's kernel `index`.
  CudaFunctionHandle operator[](int32_t index) const { return functions[static_cast<size_t>(index)]; }

private:
  std::vector<CudaLibrary> libraries;
  std::vector<CudaFunctionHandle> functions;
};

} // namespace sinter::rt
