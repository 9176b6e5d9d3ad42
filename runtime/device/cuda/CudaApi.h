// SPDX-License-Identifier: Apache-2.0
// What is used of the CUDA driver's interface, so that neither building nor running needs CUDA's headers.
// Source: cuda.h of CUDA 13.0. Names are ours; numbers and layouts are the driver's.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sinter::rt {

using CudaStatus = int;
inline constexpr CudaStatus cudaSuccess = 0, cudaOutOfMemory = 2, cudaNoDevice = 100;

using CudaOrdinal = int;      ///< CUdevice
using CudaAddress = uint64_t; ///< CUdeviceptr
using CudaContextHandle = struct CudaContextOpaque *;
using CudaLibraryHandle = struct CudaLibraryOpaque *;
using CudaKernelHandle = struct CudaKernelOpaque *;
using CudaFunctionHandle = struct CudaFunctionOpaque *;
using CudaStreamHandle = struct CudaStreamOpaque *;
using CudaEventHandle = struct CudaEventOpaque *;
using CudaGraphHandle = struct CudaGraphOpaque *;
using CudaGraphExecHandle = struct CudaGraphExecOpaque *;

enum class CudaDeviceAttribute : int {
  ClockKilohertz = 13, ///< at most
  Multiprocessors = 16,
  L2Bytes = 38,
  CapabilityMajor = 75,
  CapabilityMinor = 76,
  MaxSharedBytesPerBlock = 97, ///< after opting in
};

enum class CudaFunctionAttribute : int {
  MaxDynamicSharedBytes = 8,
  PreferredSharedCarveout = 9,        ///< percent of a multiprocessor's L1
  NonPortableClusterSizeAllowed = 14, ///< clusters of more than 8 blocks, which not every GPU can have
};

inline constexpr unsigned cudaHostMapped = 2;        ///< pinned memory that kernels may address as the host does
inline constexpr unsigned cudaStreamNonBlocking = 1; ///< does not wait for the legacy default stream
inline constexpr unsigned cudaEventNoTiming = 2;
inline constexpr unsigned cudaEventRecordExternal = 1; ///< in a capture: the graph records it whenever it runs

enum class CudaCaptureMode : int { ThreadLocal = 1 };

/// How a launch differs from an ordinary one. Unused bytes are zero.
struct CudaLaunchAttribute {
  enum class Id : int {
    ProgrammaticStreamSerialization = 6, ///< may start before its predecessor in the stream has ended
  };
  union Value {
    char pad[64];
    int allowed;
  };

  Id id;
  char pad[4];
  Value value;

  static CudaLaunchAttribute programmatic() {
    CudaLaunchAttribute attribute{Id::ProgrammaticStreamSerialization, {}, {}};
    attribute.value.allowed = 1;
    return attribute;
  }
};
static_assert(sizeof(CudaLaunchAttribute) == 72 && offsetof(CudaLaunchAttribute, value) == 8);

struct CudaLaunchConfig {
  unsigned gridX = 1, gridY = 1, gridZ = 1;
  unsigned blockX = 1, blockY = 1, blockZ = 1;
  unsigned dynamicSharedBytes = 0;
  CudaStreamHandle stream = nullptr;
  const CudaLaunchAttribute *attributes = nullptr;
  unsigned numAttributes = 0;
};
static_assert(sizeof(CudaLaunchConfig) == 56 && offsetof(CudaLaunchConfig, stream) == 32);

/// CUtensorMap: what TMA reads a tensor by, in device memory or a `const __grid_constant__` parameter.
struct alignas(64) CudaTensorMapImage {
  uint64_t opaque[16];
};
static_assert(sizeof(CudaTensorMapImage) == 128);

inline constexpr int cudaTensorBfloat16 = 9;
inline constexpr int cudaTensorSwizzleNone = 0, cudaTensorSwizzle128 = 3;
inline constexpr int cudaTensorPromoteL2To128 = 2;

} // namespace sinter::rt
