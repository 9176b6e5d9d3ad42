// SPDX-License-Identifier: Apache-2.0
// wgmma with the A operand in registers, and descriptors of keys and values as B operands. sm_90a.
// Source: PTX ISA 9.0, "Asynchronous warpgroup level matrix instructions"
#pragma once
#include "templates/cuda/layout.h"
#include "templates/cuda/ptx.cuh"

namespace sinter::cuda {

/// Of atoms with 128-byte swizzle, in bytes: `leading` from 64 columns to the next 64 where columns are the
/// contiguous side of B^T (values; of no meaning for keys), `stride` from eight rows to the next eight.
__device__ __forceinline__ u64 swizzledDescriptor(u32 address, u32 leading, u32 stride) {
  return u64(address >> 4) | u64(leading >> 4) << 16 | u64(stride >> 4) << 32 | 1ull << 62;
}

/// Keys [n, 64 columns] as B[k = column, n = key]: contiguous along k. The next 16 columns are 32 bytes on.
__device__ __forceinline__ u64 keysDescriptor(u32 address) { return swizzledDescriptor(address, 16, atomBytes); }

/// A block of values [k = token, n = column]: contiguous along n, which is B transposed. The next 16 tokens are two
/// atoms on.
__device__ __forceinline__ u64 valuesDescriptor(u32 address) {
  return swizzledDescriptor(address, kvBlockTokens * atomColumns * 2, atomBytes);
}

/// d[64, 64] = a[64, 16] b[16, 64], + d if `add`. Asynchronous.
template <int TransposeB>
__device__ __forceinline__ void wgmma(float (&d)[32], U32x4 a, u64 b, bool add) {
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %37, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
               "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
               "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
               "}, {%32, %33, %34, %35}, %36, add, 1, 1, %38;\n}"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                 "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                 "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                 "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(b), "r"(int(add)), "n"(TransposeB));
}

/// d[64, 128] = a[64, 16] b[16, 128], + d if `add`. Asynchronous.
template <int TransposeB>
__device__ __forceinline__ void wgmma(float (&d)[64], U32x4 a, u64 b, bool add) {
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %69, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
               "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
               "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
               "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
               "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
               "}, {%64, %65, %66, %67}, %68, add, 1, 1, %70;\n}"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                 "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                 "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                 "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
                 "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
                 "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
                 "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
                 "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(b), "r"(int(add)), "n"(TransposeB));
}

} // namespace sinter::cuda
