// SPDX-License-Identifier: Apache-2.0
// The CUDA driver, opened at run time: what is compiled for a GPU links against nothing of CUDA, and says plainly what
// is missing on a machine that cannot run it.
#pragma once
#include "runtime/device/cuda/CudaApi.h"
#include "runtime/support/Error.h"
#include <utility>

namespace sinter::rt {

template <typename Signature>
struct CudaFunction;

/// A function of the driver and its name, for errors.
template <typename... Parameters>
struct CudaFunction<CudaStatus(Parameters...)> {
  const char *symbol;
  CudaStatus (*pointer)(Parameters...) = nullptr;

  CudaStatus operator()(Parameters... arguments) const { return pointer(arguments...); }
};

struct CudaFunctions {
#define CUDA_FUNCTION(SYMBOL, PARAMETERS) CudaFunction<CudaStatus PARAMETERS> SYMBOL{#SYMBOL};
#include "runtime/device/cuda/CudaFunctions.inc"
#undef CUDA_FUNCTION
};

/// May be copied and used by several threads. The library stays open until the process ends.
class CudaDriver : public CudaFunctions {
public:
  /// Opens and initializes it. Errors: there is none; it is older than CUDA 13.0; it finds no GPU.
  static Result<CudaDriver> open(const char *library = "libcuda.so.1");

  /// `driver.call(driver.cuMemAlloc_v2, &address, bytes)`. The error has the driver's own name and text.
  template <typename... Parameters, typename... Arguments>
  Result<void> call(const CudaFunction<CudaStatus(Parameters...)> &function, Arguments &&...arguments) const {
    CudaStatus status = function(std::forward<Arguments>(arguments)...);
    if (status == cudaSuccess)
      return {};
    return fail(std::string(function.symbol) + ": " + describe(status));
  }

  /// "CUDA_ERROR_OUT_OF_MEMORY (out of memory)"
  std::string describe(CudaStatus status) const;

private:
  Result<void> resolve(void *library, const char *name);
  Result<void> checkVersion(const char *name) const;
  Result<void> initialize() const;
};

} // namespace sinter::rt
