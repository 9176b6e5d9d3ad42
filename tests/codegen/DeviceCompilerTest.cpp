// SPDX-License-Identifier: Apache-2.0
// Device objects come from the cache byte for byte, until a header, an architecture or the file changes.
#include "codegen/cuda/DeviceCompiler.h"
#include "tests/codegen/OpenNvrtc.h"
#include "llvm/Support/FileSystem.h"
#include <fstream>
#include <gmock/gmock.h>

using namespace sinter;
namespace fs = llvm::sys::fs;

namespace {

class DeviceCompilerTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("sinter-device-test", dir));
    for (const char *folder : {"/share/templates/cuda", "/share/runtime/abi"})
      ASSERT_FALSE(fs::create_directories(dir + folder));
    writeHeader("constexpr float scale = 2;\n");
    options.includeDir = (dir + "/share").str();
    options.cacheDir = (dir + "/cache").str();
    options.jobs = 2;
  }
  void TearDown() override { fs::remove_directories(dir); }

  void writeHeader(const char *text) { std::ofstream((dir + "/share/templates/cuda/scale.cuh").str()) << text; }
  static EmittedFile kernel(const std::string &name) {
    return {name + ".cu", "#include \"templates/cuda/scale.cuh\"\nextern \"C\" __global__ void " + name +
                              "(float *p) { p[threadIdx.x] *= scale; }\n"};
  }
  llvm::Expected<std::vector<CudaObject>> tryCompile(llvm::ArrayRef<EmittedFile> files, llvm::StringRef arch) {
    return compileDeviceFiles(files, *llvm::cantFail(findCudaArch(arch)), testNvrtc(), options);
  }
  std::vector<CudaObject> compile(llvm::ArrayRef<EmittedFile> files, llvm::StringRef arch = "sm_90a") {
    auto objects = tryCompile(files, arch);
    if (objects)
      return std::move(*objects);
    ADD_FAILURE() << llvm::toString(objects.takeError());
    return std::vector<CudaObject>(files.size());
  }

  llvm::SmallString<128> dir;
  DeviceCompilerOptions options;
};

TEST_F(DeviceCompilerTest, KeepsObjectsAndWhatTheirKernelsTake) {
  std::vector<EmittedFile> files = {kernel("first"), kernel("second"), kernel("third")};
  size_t progress = 0;
  options.onProgress = [&](size_t done, size_t total) {
    EXPECT_EQ(done, ++progress);
    EXPECT_EQ(total, 3u);
  };
  std::vector<CudaObject> cold = compile(files);
  EXPECT_EQ(progress, 3u);
  progress = 0;
  std::vector<CudaObject> warm = compile(files);
  for (size_t i = 0; i < files.size(); ++i) {
    EXPECT_FALSE(cold[i].fromCache);
    EXPECT_TRUE(warm[i].fromCache);
    EXPECT_EQ(warm[i].cubin, cold[i].cubin);
    ASSERT_EQ(warm[i].kernels.size(), 1u);
    EXPECT_EQ(warm[i].kernels[0].name + ".cu", files[i].name);
    EXPECT_EQ(warm[i].kernels[0].registers, cold[i].kernels[0].registers);
  }
}

TEST_F(DeviceCompilerTest, CompilesAgainWhatChanged) {
  std::vector<EmittedFile> files = {kernel("scaled")};
  std::string before = compile(files)[0].cubin;
  EXPECT_FALSE(compile(files, "sm_80")[0].fromCache) << "another architecture";
  files[0].text += "// longer\n";
  EXPECT_FALSE(compile(files)[0].fromCache) << "another file";
  writeHeader("constexpr float scale = 3;\n");
  CudaObject after = compile({kernel("scaled")})[0];
  EXPECT_FALSE(after.fromCache) << "another header";
  EXPECT_NE(after.cubin, before);
}

TEST_F(DeviceCompilerTest, NamesTheFileThatFails) {
  auto objects = tryCompile({kernel("good"), {"bad.cu", "nonsense"}}, "sm_90a");
  ASSERT_FALSE(bool(objects));
  EXPECT_THAT(llvm::toString(objects.takeError()), testing::StartsWith("bad.cu: does not compile for sm_90a\n"));
}

} // namespace
