// SPDX-License-Identifier: Apache-2.0
#include "codegen/cuda/CudaKernelTable.h"

namespace sinter {

static bool operator==(const rt::CudaTensorMap &a, const rt::CudaTensorMap &b) {
  return a.base.kind == b.base.kind && a.base.offset == b.base.offset && a.rank == b.rank &&
         llvm::ArrayRef(a.dims) == llvm::ArrayRef(b.dims) && llvm::ArrayRef(a.strides) == llvm::ArrayRef(b.strides) &&
         llvm::ArrayRef(a.box) == llvm::ArrayRef(b.box) && a.swizzle128 == b.swizzle128;
}

uint64_t CudaKernelTable::indexOf(const rt::CudaTensorMap &map) {
  for (size_t i = 0; i < plan.tensorMaps.size(); ++i)
    if (plan.tensorMaps[i] == map)
      return i;
  plan.tensorMaps.push_back(map);
  return plan.tensorMaps.size() - 1;
}

} // namespace sinter
