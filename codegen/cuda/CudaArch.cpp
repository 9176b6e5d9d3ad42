// SPDX-License-Identifier: Apache-2.0
// The table of architectures.
#include "codegen/cuda/CudaArch.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace sinter {

namespace {

constexpr int32_t KiB = 1024;

// clang-format off
constexpr CudaArch archs[] = {
    // name      capability  shared memory        threads  SMs  fp8    bulk   cluster PDL    wgmma  tcgen05
    //                       a block    an SM     an SM         mma    copy
    {"sm_80",    8,  0,      163 * KiB, 164 * KiB, 2048,   108,  false, false, false,  false, false, false},
    {"sm_86",    8,  6,       99 * KiB, 100 * KiB, 1536,   84,   false, false, false,  false, false, false},
    {"sm_89",    8,  9,       99 * KiB, 100 * KiB, 1536,   142,  true,  false, false,  false, false, false},
    {"sm_90a",   9,  0,      227 * KiB, 228 * KiB, 2048,   132,  true,  true,  true,   true,  true,  false},
    {"sm_100a", 10,  0,      227 * KiB, 228 * KiB, 2048,   148,  true,  true,  true,   true,  false, true},
    {"sm_120",  12,  0,       99 * KiB, 100 * KiB, 1536,   170,  true,  true,  true,   true,  false, false},
};
// clang-format on

} // namespace

llvm::ArrayRef<CudaArch> cudaArchs() { return archs; }

llvm::Expected<const CudaArch *> findCudaArch(llvm::StringRef name) {
  for (const CudaArch &arch : archs)
    if (arch.name == name)
      return &arch;
  auto names = llvm::map_range(archs, [](const CudaArch &arch) { return arch.name; });
  return llvm::createStringError("no GPU architecture '" + name + "': expected " + llvm::join(names, ", "));
}

} // namespace sinter
