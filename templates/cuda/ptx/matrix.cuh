// SPDX-License-Identifier: Apache-2.0
// Matrices of a warp: 8 x 8 elements of 16 bits to and from shared memory, and their products. sm_80; stmatrix sm_90.
// Source: PTX ISA 9.0, "Warp Level Matrix Multiply-Accumulate Instructions": mma.m16n8k16, ldmatrix, stmatrix,
// movmatrix
#pragma once
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// Four 8 x 8 matrices of 16-bit elements: lane l gives the address of row l % 8 of matrix l / 8, and gets of each
/// matrix the elements 2 (l % 4) and the next of row l / 4.
__device__ __forceinline__ U32x4 loadMatrices(u32 address) {
  U32x4 v;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

/// Four such matrices, each transposed: of each, the elements 2 (l % 4) and the next of column l / 4.
__device__ __forceinline__ U32x4 loadMatricesTransposed(u32 address) {
  U32x4 v;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

/// Two such matrices; the addresses of lanes from 16 on are not used.
__device__ __forceinline__ U32x2 loadTwoMatrices(u32 address) {
  U32x2 v;
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(v.x), "=r"(v.y)
               : "r"(address)
               : "memory");
  return v;
}

/// Stores four 8 x 8 matrices of 16-bit elements, each transposed: the inverse of loadMatricesTransposed().
__device__ __forceinline__ void storeMatricesTransposed(u32 address, U32x4 v) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x),
               "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
}

/// Two such matrices; the addresses of lanes from 16 on are not used.
__device__ __forceinline__ void storeTwoMatricesTransposed(u32 address, U32x2 v) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(address), "r"(v.x), "r"(v.y)
               : "memory");
}

/// Two such matrices as they are: the inverse of loadTwoMatrices().
__device__ __forceinline__ void storeTwoMatrices(u32 address, U32x2 v) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(address), "r"(v.x), "r"(v.y)
               : "memory");
}

/// An 8 x 8 matrix of 16-bit elements, spread over the warp as loadMatrices() leaves it, transposed.
__device__ __forceinline__ u32 transposeMatrix(u32 pair) {
  u32 v;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(v) : "r"(pair));
  return v;
}

/// d[16, 8] += a[16, 16] b[16, 8], bfloat16 to float32.
__device__ __forceinline__ void mma(float (&d)[4], U32x4 a, u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
}

} // namespace sinter::cuda
