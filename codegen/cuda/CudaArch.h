// SPDX-License-Identifier: Apache-2.0
// The GPUs that code is made for, as data: what kernel selection may use of each.
// Source: the CUDA C++ Programming Guide, "Compute Capabilities"; the PTX ISA, "Target ISA notes".
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace sinter {

/// Every one has bfloat16 mma.sync, ldmatrix, cp.async, 64 Ki registers an SM and at most 255 a thread.
struct CudaArch {
  llvm::StringRef name;   ///< "sm_90a", as --target cuda:NAME, NVRTC and the executable's check write it
  int major, minor;       ///< compute capability
  int32_t maxSharedBytes; ///< of a block, dynamic and static together, after opting in
  int32_t sharedBytesPerSm;
  int32_t maxThreadsPerSm;
  int32_t sms;   ///< multiprocessors of the part that grids are made for: A100, RTX A6000, L40S, H200, B200, RTX 5090
  bool fp8Mma;   ///< mma.sync on e4m3 and e5m2
  bool bulkCopy; ///< TMA: cp.async.bulk with mbarriers, 1-D and tensors; stmatrix is there too
  bool cluster;  ///< thread block clusters and distributed shared memory
  bool programmaticLaunch; ///< griddepcontrol: a kernel starts before its predecessor has ended
  bool wgmma;              ///< warpgroup MMA and setmaxnreg
  bool tcgen05;            ///< tensor memory and its MMA

  /// NVRTC's option for SASS of exactly this architecture.
  std::string flag() const { return ("--gpu-architecture=" + name).str(); }
};

/// All of them, from old to new.
llvm::ArrayRef<CudaArch> cudaArchs();

/// The one of that name. The error lists all.
llvm::Expected<const CudaArch *> findCudaArch(llvm::StringRef name);

} // namespace sinter
