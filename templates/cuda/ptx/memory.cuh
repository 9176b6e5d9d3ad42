// SPDX-License-Identifier: Apache-2.0
// Loads and stores, by where they may be kept on the way.
//
// What an earlier kernel of the step wrote is loaded from L2: this SM may have started before that kernel had ended,
// and have what was there before in L1. Only what no kernel ever writes, weights and tables, is loaded as constant.
// Source: PTX ISA 9.0, "Data Movement and Conversion Instructions": ld, ld.global.nc, st, prefetch; atom
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// From L2.
__device__ __forceinline__ u16 loadL2(const u16 *p) {
  u16 v;
  asm volatile("ld.global.cg.u16 %0, [%1];" : "=h"(v) : "l"(p) : "memory");
  return v;
}
__device__ __forceinline__ float loadL2(const float *p) {
  float v;
  asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(v) : "l"(p) : "memory");
  return v;
}
__device__ __forceinline__ int loadL2(const int *p) {
  int v;
  asm volatile("ld.global.cg.s32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}
__device__ __forceinline__ u32 loadL2(const u32 *p) {
  u32 v;
  asm volatile("ld.global.cg.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}

/// 8 bytes from L2, and 16.
__device__ __forceinline__ U32x2 loadL2x2(const void *p) {
  U32x2 v;
  asm volatile("ld.global.cg.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p) : "memory");
  return v;
}
__device__ __forceinline__ U32x4 loadL2x4(const void *p) {
  U32x4 v;
  asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p)
               : "memory");
  return v;
}

/// 4 bytes that no kernel ever writes.
__device__ __forceinline__ float loadConstant(const float *p) {
  float v;
  asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(v) : "l"(p));
  return v;
}

/// 8 such bytes, and 16.
__device__ __forceinline__ U32x2 loadConstantX2(const void *p) {
  U32x2 v;
  asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
  return v;
}
__device__ __forceinline__ U32x4 loadConstantX4(const void *p) {
  U32x4 v;
  asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  return v;
}

/// The same, and none of it will be wanted again.
__device__ __forceinline__ U32x4 loadOnceX4(const U32x4 *p) {
  U32x4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

/// Asks for what lies at an address to be brought to L2.
__device__ __forceinline__ void prefetchL2(const void *p) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(p) : "memory");
}

__device__ __forceinline__ void storeGlobal(void *p, U32x4 v) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}

__device__ __forceinline__ void storeGlobal(void *p, U32x2 v) {
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(v.x), "r"(v.y) : "memory");
}

/// Words that CTAs pass to each other while they run, one, two or four at once: each arrives whole, in no order.
__device__ __forceinline__ void storeRelaxed(u32 *p, u32 v) {
  asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
}
__device__ __forceinline__ void storeRelaxed(u32 *p, U32x2 v) {
  asm volatile("st.relaxed.gpu.global.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(v.x), "r"(v.y) : "memory");
}
__device__ __forceinline__ void storeRelaxed(u32 *p, U32x4 v) {
  asm volatile("st.relaxed.gpu.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
}
__device__ __forceinline__ u32 loadRelaxed(const u32 *p) {
  u32 v;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}
/// Without a branch, so that many are under way at once: leaves `v` where not `wanted`.
__device__ __forceinline__ void loadRelaxedIf(bool wanted, U32x2 &v, const u32 *p) {
  asm volatile("{\n.reg .pred wanted;\nsetp.ne.u32 wanted, %2, 0;\n"
               "@wanted ld.relaxed.gpu.global.v2.u32 {%0, %1}, [%3];\n}"
               : "+r"(v.x), "+r"(v.y)
               : "r"(u32(wanted)), "l"(p)
               : "memory");
}
__device__ __forceinline__ void loadRelaxedIf(bool wanted, U32x4 &v, const u32 *p) {
  asm volatile("{\n.reg .pred wanted;\nsetp.ne.u32 wanted, %4, 0;\n"
               "@wanted ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%5];\n}"
               : "+r"(v.x), "+r"(v.y), "+r"(v.z), "+r"(v.w)
               : "r"(u32(wanted)), "l"(p)
               : "memory");
}

__device__ __forceinline__ U32x4 loadShared(u32 address) {
  U32x4 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

/// 4 such bytes, and 8.
__device__ __forceinline__ u32 loadSharedWord(u32 address) {
  u32 v;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
  return v;
}
__device__ __forceinline__ U32x2 loadSharedX2(u32 address) {
  U32x2 v;
  asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(address) : "memory");
  return v;
}

__device__ __forceinline__ void storeShared(u32 address, U32x4 v) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
}

/// 4 bytes, and 8.
__device__ __forceinline__ void storeShared(u32 address, u32 v) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
}
__device__ __forceinline__ void storeShared(u32 address, U32x2 v) {
  asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(address), "r"(v.x), "r"(v.y) : "memory");
}

} // namespace sinter::cuda
