// SPDX-License-Identifier: Apache-2.0
// Every function of the driver, to be found but not to be used. Those that FakeCuda.cpp has take their place.
#include "runtime/device/cuda/CudaApi.h"

using namespace sinter::rt;

#define CUDA_FUNCTION(SYMBOL, PARAMETERS)                                                                              \
  extern "C" __attribute__((weak)) CudaStatus SYMBOL PARAMETERS { return 801; }
#include "runtime/device/cuda/CudaFunctions.inc"
#undef CUDA_FUNCTION
