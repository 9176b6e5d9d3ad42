// SPDX-License-Identifier: Apache-2.0
// The most this chip reads: 16-byte loads of everything once, by 132 blocks of 1024 threads.
#pragma once
#include "templates/cuda/ptx.cuh"

namespace sinter::cuda {

__device__ inline U32x4 loadStreaming(const U32x4 *p) {
  U32x4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

/// Reads `count` vectors; `sink` is written only for data that no buffer holds, so that the reads stay.
__device__ inline void readAll(const U32x4 *data, u64 count, u32 *sink) {
  constexpr int batch = 4;
  u32 sum = 0;
  u64 step = u64(gridDim.x) * blockDim.x;
  for (u64 i = u64(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step * batch) {
    U32x4 v[batch];
#pragma unroll
    for (int j = 0; j < batch; ++j)
      v[j] = i + j * step < count ? loadStreaming(data + i + j * step) : U32x4{};
#pragma unroll
    for (int j = 0; j < batch; ++j)
      sum ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
  }
  if (sum == 0x5eed1e55u)
    *sink = sum;
}

} // namespace sinter::cuda
