// SPDX-License-Identifier: Apache-2.0
// How fast this chip reads its memory: everything in a range once, in loads of 16 bytes. What bench measures other
// kernels against; no part of a step. The runtime finds it by its name, which has "read_bandwidth" in it,
// and launches one block on every multiprocessor.
// Arguments: 0 begin and 1 end of the range, 16-byte aligned; 2 a word of scratch.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/read_bandwidth_config.h"

namespace sinter::cuda {

template <ReadBandwidthConfig C, int N>
__device__ void readBandwidth(const rt::CudaStep &, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  constexpr int batch = 4; // loads in flight
  const u64 stride = u64(gridDim.x) * C.threads();
  const U32x4 *begin = args.template get<const U32x4>(0), *end = args.template get<const U32x4>(1);
  u32 sum = 0;
  for (const U32x4 *p = begin + u64(blockIdx.x) * C.threads() + threadIdx.x; p < end; p += stride * batch) {
    U32x4 v[batch];
#pragma unroll
    for (int j = 0; j < batch; ++j)
      v[j] = p + j * stride < end ? loadOnceX4(p + j * stride) : U32x4{};
#pragma unroll
    for (int j = 0; j < batch; ++j)
      sum ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
  }
  if (sum == 0x5eed1e55u) // hardly ever, but nobody proves it: the loads stay
    *args.template get<u32>(2) = sum;
}

} // namespace sinter::cuda
