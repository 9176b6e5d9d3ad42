// SPDX-License-Identifier: Apache-2.0
// NVRTC and its headers are found in every layout that they come in, in the promised order, or the error says where
// they were looked for.
#include "codegen/cuda/CudaToolkit.h"
#include "llvm/Support/FileSystem.h"
#include <fstream>
#include <gtest/gtest.h>

using namespace sinter;
namespace fs = llvm::sys::fs;

namespace {

class CudaToolkitTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("sinter-toolkit-test", dir));
    for (const char *variable : variables) {
      const char *value = getenv(variable);
      saved.push_back(value ? std::optional<std::string>(value) : std::nullopt);
      unsetenv(variable);
    }
  }
  void TearDown() override {
    for (size_t i = 0; i < std::size(variables); ++i)
      saved[i] ? setenv(variables[i], saved[i]->c_str(), 1) : unsetenv(variables[i]);
    fs::remove_directories(dir);
  }

  std::string path(const std::string &name) const { return (dir + "/" + name).str(); }
  void addLibrary(const std::string &folder) {
    ASSERT_FALSE(fs::create_directories(path(folder)));
    std::ofstream(path(folder + "/libnvrtc.so.13")) << "";
  }
  void addHeaders(const std::string &folder) {
    ASSERT_FALSE(fs::create_directories(path(folder)));
    for (llvm::StringRef name : cudaHeaders)
      std::ofstream(path(folder + "/" + name.str())) << "";
  }
  static CudaToolkit find(llvm::ArrayRef<std::string> venvs = {}) {
    auto toolkit = findCudaToolkit(venvs);
    if (toolkit)
      return *toolkit;
    ADD_FAILURE() << llvm::toString(toolkit.takeError());
    return {};
  }

  static constexpr const char *variables[] = {"SINTER_NVRTC", "CUDA_HOME", "CUDA_PATH", "VIRTUAL_ENV"};
  std::vector<std::optional<std::string>> saved;
  llvm::SmallString<128> dir;
};

TEST_F(CudaToolkitTest, InAToolkit) {
  addLibrary("cuda/lib64");
  addHeaders("cuda/include");
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH", "SINTER_NVRTC"}) {
    setenv(variable, path("cuda").c_str(), 1);
    EXPECT_EQ(find().library, path("cuda/lib64/libnvrtc.so.13"));
    EXPECT_EQ(find().includeDir, path("cuda/include"));
    unsetenv(variable);
  }
}

TEST_F(CudaToolkitTest, InPythonPackages) {
  std::string nvidia = "venv/lib/python3.11/site-packages/nvidia";
  addLibrary(nvidia + "/cu13/lib");
  addHeaders(nvidia + "/cu13/include");
  EXPECT_EQ(find({path("venv")}).library, path(nvidia + "/cu13/lib/libnvrtc.so.13"));
  EXPECT_EQ(find({path("venv")}).includeDir, path(nvidia + "/cu13/include"));
  for (const char *variable : {"VIRTUAL_ENV", "SINTER_NVRTC"}) {
    setenv(variable, path("venv").c_str(), 1);
    EXPECT_EQ(find().library, path(nvidia + "/cu13/lib/libnvrtc.so.13"));
    unsetenv(variable);
  }
}

TEST_F(CudaToolkitTest, InOnePackageEach) {
  std::string nvidia = "venv/lib/python3.12/site-packages/nvidia";
  addLibrary(nvidia + "/cuda_nvrtc/lib");
  addHeaders(nvidia + "/cuda_runtime/include");
  EXPECT_EQ(find({path("venv")}).library, path(nvidia + "/cuda_nvrtc/lib/libnvrtc.so.13"));
  EXPECT_EQ(find({path("venv")}).includeDir, path(nvidia + "/cuda_runtime/include"));
  setenv("SINTER_NVRTC", path(nvidia + "/cuda_nvrtc/lib/libnvrtc.so.13").c_str(), 1);
  EXPECT_EQ(find().includeDir, path(nvidia + "/cuda_runtime/include"));
}

TEST_F(CudaToolkitTest, AToolkitComesBeforePackages) {
  addLibrary("cuda/lib");
  addHeaders("cuda/include");
  addLibrary("venv/lib/python3.11/site-packages/nvidia/cu13/lib");
  addHeaders("venv/lib/python3.11/site-packages/nvidia/cu13/include");
  setenv("CUDA_HOME", path("cuda").c_str(), 1);
  EXPECT_EQ(find({path("venv")}).library, path("cuda/lib/libnvrtc.so.13"));
}

TEST_F(CudaToolkitTest, HeadersMayComeFromAPackageWhereAToolkitHasNone) {
  addLibrary("cuda/lib64");
  addHeaders("venv/lib/python3.11/site-packages/nvidia/cu13/include");
  setenv("CUDA_HOME", path("cuda").c_str(), 1);
  EXPECT_EQ(find({path("venv")}).library, path("cuda/lib64/libnvrtc.so.13"));
  EXPECT_EQ(find({path("venv")}).includeDir, path("venv/lib/python3.11/site-packages/nvidia/cu13/include"));
}

TEST_F(CudaToolkitTest, SaysWhatIsMissingWhereAndWhatToInstall) {
  const std::string install = ": install CUDA 13.0, or its compiler alone: pip install 'nvidia-cuda-nvrtc==13.0.*' "
                              "'nvidia-cuda-runtime==13.0.*'; or name it with SINTER_NVRTC";
  auto error = [] { return llvm::toString(findCudaToolkit().takeError()); };
  setenv("SINTER_NVRTC", path("empty").c_str(), 1);
  std::string places = path("empty") + ", " + path("empty") + "/lib/python3*/site-packages/nvidia";
  EXPECT_EQ(error(), "no libnvrtc.so.13, cuda_fp16.h, cuda_bf16.h, cuda_fp8.h in " + places + install);
  addLibrary("empty/lib64");
  EXPECT_EQ(error(), "no cuda_fp16.h, cuda_bf16.h, cuda_fp8.h in " + places + install);
}

} // namespace
