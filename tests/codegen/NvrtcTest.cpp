// SPDX-License-Identifier: Apache-2.0
// Real compilations, for every architecture, on a machine without a GPU. Needs NVRTC: ./dev test installs it into the
// build folder's Python environment where there is no toolkit.
#include "codegen/Parallel.h"
#include "tests/codegen/OpenNvrtc.h"
#include "llvm/ADT/STLExtras.h"
#include <fstream>
#include <gmock/gmock.h>

using namespace sinter;
using testing::HasSubstr;

namespace {

const CudaArch &arch(llvm::StringRef name) { return *llvm::cantFail(findCudaArch(name)); }

CudaObject compile(llvm::StringRef text, llvm::StringRef archName = "sm_90a") {
  auto object = testNvrtc().compile({"k00_test.cu", text.str()}, arch(archName));
  if (!object) {
    ADD_FAILURE() << llvm::toString(object.takeError());
    return {};
  }
  return std::move(*object);
}

std::string errorOf(llvm::StringRef text, llvm::StringRef archName = "sm_90a") {
  auto object = testNvrtc().compile({"k00_test.cu", text.str()}, arch(archName));
  return object ? "" : llvm::toString(object.takeError());
}

/// A kernel whose body is one instruction.
std::string kernelOf(llvm::StringRef instruction) {
  return ("extern \"C\" __global__ void k() { asm volatile(\"" + instruction + "\" ::: \"memory\"); }").str();
}

constexpr llvm::StringLiteral halfTypes = R"(
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
extern "C" __global__ void widen(const __nv_bfloat16 *a, const __half *b, const __nv_fp8_e4m3 *c, float *out) {
  out[threadIdx.x] = __bfloat162float(a[threadIdx.x]) + __half2float(b[threadIdx.x]) + float(c[threadIdx.x]);
}
)";

// 1024 threads have 64 registers each: too few for 96 values that live across a barrier.
constexpr llvm::StringLiteral spilling = R"(
extern "C" __global__ void __launch_bounds__(1024, 1) crowded(const volatile float *in, float *out) {
  float v[96];
#pragma unroll
  for (int i = 0; i < 96; ++i)
    v[i] = in[i * 1024 + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 96; ++i)
    out[i * 1024 + threadIdx.x] = v[i] * v[(37 * i + 11) % 96];
}
)";

TEST(Nvrtc, IsOfCuda13) { EXPECT_EQ(llvm::StringRef(testNvrtc().version()).split('.').first, "13"); }

TEST(Nvrtc, CompilesForEveryArchitectureFromSeveralThreads) {
  auto archs = cudaArchs();
  std::vector<CudaObject> objects(archs.size());
  EXPECT_FALSE(bool(parallelFor(archs.size(), 4, [&](size_t i) {
    objects[i] = compile(halfTypes, archs[i].name);
    return llvm::Error::success();
  })));
  for (size_t i = 0; i < archs.size(); ++i) {
    SCOPED_TRACE(archs[i].name.str());
    const CudaObject &object = objects[i];
    ASSERT_GT(object.cubin.size(), 64u);
    EXPECT_EQ(object.cubin.substr(0, 4), "\x7f"
                                         "ELF");
    EXPECT_EQ(uint8_t(object.cubin[18]), 190) << "ELF machine EM_CUDA";
    ASSERT_EQ(object.kernels.size(), 1u);
    EXPECT_EQ(object.kernels[0].name, "widen");
    EXPECT_GT(object.kernels[0].registers, 4);
    EXPECT_FALSE(object.kernels[0].spills());
    EXPECT_THAT(object.log, HasSubstr("'" + archs[i].name.str() + "'"));
  }
  EXPECT_NE(objects[0].cubin, objects[3].cubin);
}

TEST(Nvrtc, SaysWhereAFileIsWrong) {
  std::string message = errorOf("extern \"C\" __global__ void k(int *p) {\n  *p = missing;\n}\n", "sm_89");
  EXPECT_TRUE(llvm::StringRef(message).starts_with("k00_test.cu: does not compile for sm_89\n"
                                                   "k00_test.cu(2): error: identifier \"missing\" is undefined\n"))
      << message;
}

TEST(Nvrtc, SaysThatAFileHasNoKernel) {
  EXPECT_EQ(errorOf("__device__ int x;"), "k00_test.cu: expected a kernel, found none");
}

TEST(Nvrtc, ShowsWhatKernelsTake) {
  CudaObject object = compile(R"(
template <int N> __global__ void __launch_bounds__(N) reverse(float *p) {
  __shared__ float tile[N];
  tile[threadIdx.x] = p[threadIdx.x];
  __syncthreads();
  p[threadIdx.x] = tile[N - 1 - threadIdx.x];
}
template __global__ void reverse<64>(float *);
extern "C" __global__ void indexed(float *p, const int *order) {
  float a[64];
  for (int i = 0; i < 64; ++i)
    a[order[i] & 63] = p[i];
  for (int i = 0; i < 64; ++i)
    p[i] = a[order[i + 64] & 63];
}
)");
  ASSERT_EQ(object.kernels.size(), 2u);
  const KernelResources &reverse = object.kernels[0], &indexed = object.kernels[1];
  EXPECT_EQ(reverse.name, "_Z7reverseILi64EEvPf");
  EXPECT_EQ(reverse.sharedBytes, 256);
  EXPECT_EQ(reverse.stackBytes, 0);
  EXPECT_EQ(indexed.name, "indexed");
  EXPECT_EQ(indexed.sharedBytes, 0);
  EXPECT_EQ(indexed.stackBytes, 256);
  EXPECT_FALSE(indexed.spills()) << "an indexed array is local memory, and no spill";
}

TEST(Nvrtc, FindsSpills) {
  for (const CudaArch &a : cudaArchs()) {
    SCOPED_TRACE(a.name.str());
    CudaObject object = compile(spilling, a.name);
    ASSERT_EQ(object.kernels.size(), 1u);
    const KernelResources &kernel = object.kernels[0];
    EXPECT_TRUE(kernel.spills());
    EXPECT_GE(kernel.spillStoreBytes, 4 * (96 - 64));
    EXPECT_GE(kernel.stackBytes, 4 * (96 - 64));
    EXPECT_LE(kernel.registers, 64) << "64 Ki registers for 1024 threads";
  }
}

TEST(Nvrtc, OwnFoldersOfHeadersComeFirst) {
  std::string dir = testing::TempDir();
  std::ofstream(dir + "/config.cuh") << "constexpr int answer = 42;\n";
  auto object = testNvrtc().compile({"k.cu", "#include \"config.cuh\"\nstatic_assert(answer == 42);\n"
                                             "extern \"C\" __global__ void k(int *p) { *p = answer; }\n"},
                                    arch("sm_120"), {dir});
  EXPECT_TRUE(bool(object)) << llvm::toString(object.takeError());
}

// The table against the compiler: an architecture accepts exactly the instructions that its row says it has.
TEST(Nvrtc, ArchitecturesHaveTheFeaturesOfTheTable) {
  struct Feature {
    llvm::StringLiteral instruction;
    bool CudaArch::*has;
  };
  const Feature features[] = {
      {"{ .reg .b32 r; .reg .f32 f; mov.b32 r, 0; mov.f32 f, 0f00000000; mma.sync.aligned.m16n8k32.row.col.f32.e4m3."
       "e4m3.f32 {f,f,f,f}, {r,r,r,r}, {r,r}, {f,f,f,f}; }",
       &CudaArch::fp8Mma},
      {"{ .reg .b64 r; mov.b64 r, 0; cp.async.bulk.prefetch.L2.global [r], 128; }", &CudaArch::bulkCopy},
      {"barrier.cluster.arrive.aligned;", &CudaArch::cluster},
      {"griddepcontrol.wait;", &CudaArch::programmaticLaunch},
      {"wgmma.fence.sync.aligned;", &CudaArch::wgmma},
      {"tcgen05.fence::before_thread_sync;", &CudaArch::tcgen05},
  };
  for (const CudaArch &a : cudaArchs()) {
    for (const Feature &feature : features) {
      std::string error = errorOf(kernelOf(feature.instruction), a.name);
      EXPECT_EQ(error.empty(), a.*feature.has) << a.name.str() << ", " << feature.instruction.str() << ":\n" << error;
    }
    // What every architecture has.
    compile(kernelOf("{ .reg .b32 r; .reg .f32 f; mov.b32 r, 0; mov.f32 f, 0f00000000; mma.sync.aligned.m16n8k16.row."
                     "col.f32.bf16.bf16.f32 {f,f,f,f}, {r,r,r,r}, {r,r}, {f,f,f,f}; cp.async.wait_all; }"),
            a.name);
  }
}

TEST(Nvrtc, RefusesALibraryThatIsNone) {
  auto missing = Nvrtc::open(CudaToolkit{"/nonexistent/libnvrtc.so.13", "/nonexistent"});
  ASSERT_FALSE(bool(missing));
  EXPECT_THAT(llvm::toString(missing.takeError()), HasSubstr("cannot open NVRTC: /nonexistent/libnvrtc.so.13: "));
  auto other = Nvrtc::open(CudaToolkit{"libm.so.6", "/nonexistent"});
  ASSERT_FALSE(bool(other));
  EXPECT_EQ(llvm::toString(other.takeError()), "'libm.so.6' is no NVRTC of CUDA 13: it has no nvrtcGetErrorString");
}

TEST(CudaArch, AreFoundByName) {
  EXPECT_EQ(arch("sm_90a").flag(), "--gpu-architecture=sm_90a");
  EXPECT_EQ(arch("sm_90a").maxSharedBytes, 232448);
  auto none = findCudaArch("sm_75");
  ASSERT_FALSE(bool(none));
  EXPECT_EQ(llvm::toString(none.takeError()),
            "no GPU architecture 'sm_75': expected sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120");
}

TEST(PtxasLog, CountsSpillsOfCalledFunctionsWithTheirKernel) {
  auto kernels = llvm::cantFail(
      parsePtxasLog("k.cu(3): warning: 9 bytes spill stores\n"
                    "ptxas info    : 0 bytes gmem\n"
                    "ptxas info    : Compiling entry function 'b' for 'sm_90a'\n"
                    "ptxas info    : Function properties for b\n"
                    "ptxas         .     8 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                    "ptxas info    : Used 30 registers, used 1 barriers, 1024 bytes smem\n"
                    "ptxas info    : Function properties for called\n"
                    "ptxas         .     16 bytes stack frame, 12 bytes spill stores, 4 bytes spill loads\n"
                    "ptxas info    : Compiling entry function 'a' for 'sm_90a'\n"
                    "ptxas info    : Used 255 registers, used 0 barriers\n"));
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].name, "a");
  EXPECT_EQ(kernels[0].registers, 255);
  EXPECT_FALSE(kernels[0].spills());
  EXPECT_EQ(kernels[1].registers, 30);
  EXPECT_EQ(kernels[1].sharedBytes, 1024);
  EXPECT_EQ(kernels[1].stackBytes, 24);
  EXPECT_EQ(kernels[1].spillStoreBytes, 12);
  EXPECT_EQ(kernels[1].spillLoadBytes, 4);
}

TEST(PtxasLog, RefusesWhatItCannotRead) {
  auto error = [](llvm::StringRef log) { return llvm::toString(parsePtxasLog(log).takeError()); };
  EXPECT_EQ(error("ptxas info    : Compiling entry function 'a' for 'sm_90a'\n"),
            "ptxas' log: no registers for kernel 'a'");
  EXPECT_EQ(error("ptxas info    : Used 30 registers\n"),
            "ptxas' log: expected the name of a kernel before 'ptxas info    : Used 30 registers'");
}

} // namespace
