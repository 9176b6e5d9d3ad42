// SPDX-License-Identifier: Apache-2.0
// The matrix instructions of sm_90a that a warpgroup of 128 threads issues together. Both operands lie in shared memory
// as atoms of layout.h, one above the other, each 1024-byte aligned.
// Source: PTX ISA 9.0, "Asynchronous Warpgroup Level Matrix Instructions"
#pragma once
#include "templates/cuda/ptx.cuh"

namespace sinter::cuda {

/// Describes an operand whose first atom lies at `address`: 128-byte swizzle, atoms of 8 rows 1024 bytes apart. The
/// next 16 columns are at + 2.
__device__ __forceinline__ u64 wgmmaOperand(u32 address) {
  return u64(address >> 4 & 0x3fff) | u64(1) << 16 | u64(1024 >> 4) << 32 | u64(1) << 62;
}

/// Keeps the compiler from moving accumulators across this point while instructions that write them are in flight.
template <int Columns>
__device__ __forceinline__ void wgmmaHold(float (&d)[Columns][4]) {
#pragma unroll
  for (int i = 0; i < Columns; ++i)
#pragma unroll
    for (int e = 0; e < 4; ++e)
      asm volatile("" : "+f"(d[i][e])::"memory");
}

/// d[64, N] = a[64, 16] b[N, 16]^T (+ d with `accumulate`), bfloat16 to float32. Thread 32 w + 4 g + j of the
/// warpgroup holds rows 16 w + g (elements 0, 1) and 16 w + g + 8 (2, 3) of columns 8 i + 2 j and the next in d[i].
template <int N>
__device__ void wgmma(float (&d)[N / 8][4], u64 a, u64 b, u32 accumulate);

#define SINTER_D(i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define SINTER_D4(i) SINTER_D(i), SINTER_D(i + 1), SINTER_D(i + 2), SINTER_D(i + 3)

// clang-format off
template <>
__device__ __forceinline__ void wgmma<32>(float (&d)[4][4], u64 a, u64 b, u32 accumulate) {
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %18, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, "
               "%16, %17, add, 1, 1, 0, 0;\n}"
               : SINTER_D4(0)
               : "l"(a), "l"(b), "r"(accumulate));
}

template <>
__device__ __forceinline__ void wgmma<64>(float (&d)[8][4], u64 a, u64 b, u32 accumulate) {
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %34, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
               " %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
               "%32, %33, add, 1, 1, 0, 0;\n}"
               : SINTER_D4(0), SINTER_D4(4)
               : "l"(a), "l"(b), "r"(accumulate));
}

template <>
__device__ __forceinline__ void wgmma<128>(float (&d)[16][4], u64 a, u64 b, u32 accumulate) {
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %66, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
               " %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
               " %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
               " %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
               "%64, %65, add, 1, 1, 0, 0;\n}"
               : SINTER_D4(0), SINTER_D4(4), SINTER_D4(8), SINTER_D4(12)
               : "l"(a), "l"(b), "r"(accumulate));
}

template <>
__device__ __forceinline__ void wgmma<192>(float (&d)[24][4], u64 a, u64 b, u32 accumulate) {
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %98, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n192k16.f32.bf16.bf16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
               " %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
               " %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
               " %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
               " %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
               " %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95}, "
               "%96, %97, add, 1, 1, 0, 0;\n}"
               : SINTER_D4(0), SINTER_D4(4), SINTER_D4(8), SINTER_D4(12), SINTER_D4(16), SINTER_D4(20)
               : "l"(a), "l"(b), "r"(accumulate));
}

template <>
__device__ __forceinline__ void wgmma<256>(float (&d)[32][4], u64 a, u64 b, u32 accumulate) {
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %130, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
               " %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
               " %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
               " %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
               " %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
               " %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
               " %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
               " %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
               "%128, %129, add, 1, 1, 0, 0;\n}"
               : SINTER_D4(0), SINTER_D4(4), SINTER_D4(8), SINTER_D4(12), SINTER_D4(16), SINTER_D4(20), SINTER_D4(24), SINTER_D4(28)
               : "l"(a), "l"(b), "r"(accumulate));
}

// clang-format on
#undef SINTER_D
#undef SINTER_D4

} // namespace sinter::cuda
