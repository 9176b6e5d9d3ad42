// SPDX-License-Identifier: Apache-2.0
// Every machine that cannot run a model on its GPU is told why, on a machine without one: through a library that plays
// the driver (fake_cuda).
#include "runtime/device/cuda/CudaDevice.h"
#include <dlfcn.h>
#include <gmock/gmock.h>

using namespace sinter::rt;

namespace {

class CudaDriverTest : public testing::Test {
protected:
  void TearDown() override {
    for (const std::string &name : changed)
      unsetenv(name.c_str());
  }

  void set(const std::string &name, const std::string &value) {
    changed.push_back("FAKE_CUDA_" + name);
    setenv(changed.back().c_str(), value.c_str(), 1);
  }
  static CudaDriver open() {
    auto driver = CudaDriver::open(FAKE_CUDA);
    if (!driver)
      throw std::runtime_error(driver.error().message); // gtest shows it
    return *driver;
  }
  static std::string openError(const char *library = FAKE_CUDA) {
    auto driver = CudaDriver::open(library);
    return driver ? "" : driver.error().message;
  }
  static std::string deviceError(const CudaNeeds &needs, int index = 0) {
    CudaDriver driver = open();
    auto device = CudaDevice::open(driver, needs, index);
    return device ? "" : device.error().message;
  }
  static int contexts() {
    static const auto count = reinterpret_cast<int (*)()>(dlsym(dlopen(FAKE_CUDA, RTLD_NOW), "fakeCudaContexts"));
    return count();
  }

  std::vector<std::string> changed;
};

TEST_F(CudaDriverTest, IsMissing) {
  EXPECT_EQ(openError("libnonexistent-cuda.so.1"),
            "no CUDA driver: cannot open libnonexistent-cuda.so.1: cannot open shared object file: No such file or "
            "directory; install NVIDIA's driver, release 580 or newer");
}

TEST_F(CudaDriverTest, IsAnotherLibrary) {
  EXPECT_EQ(openError("libm.so.6"), "'libm.so.6' is no CUDA driver: it has no cuDriverGetVersion");
  EXPECT_EQ(openError(FAKE_CUDA_VERSION_ONLY),
            std::string("'") + FAKE_CUDA_VERSION_ONLY + "' is no driver for CUDA 13.0: it has no cuInit");
}

TEST_F(CudaDriverTest, IsTooOld) {
  set("VERSION", "12040");
  set("INIT", "100"); // its age comes first
  EXPECT_EQ(openError(), "the CUDA driver is too old: built for CUDA 13.0, the driver is for 12.4; install NVIDIA's "
                         "driver, release 580 or newer");
  set("VERSION", "13020");
  set("INIT", "0");
  EXPECT_EQ(openError(), "");
}

TEST_F(CudaDriverTest, FindsNoGpu) {
  set("INIT", "100");
  EXPECT_EQ(openError(), "no GPU: the CUDA driver finds none (cuInit: CUDA_ERROR_NO_DEVICE (no CUDA-capable device is "
                         "detected))");
  set("INIT", "803");
  EXPECT_EQ(openError(), "the CUDA driver does not start: cuInit: error 803");
}

TEST_F(CudaDriverTest, ErrorsHaveTheDriversNameAndText) {
  CudaDriver driver = open();
  EXPECT_EQ(driver.describe(cudaOutOfMemory), "CUDA_ERROR_OUT_OF_MEMORY (out of memory)");
  auto asked = driver.call(driver.cuEventQuery, nullptr);
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().message, "cuEventQuery: error 801");
}

TEST_F(CudaDriverTest, GpuThatIsNotThere) {
  EXPECT_EQ(deviceError({"sm_90a"}, 1), "no GPU 1: the CUDA driver finds 1");
  set("GPUS", "2");
  EXPECT_EQ(deviceError({"sm_90a"}, 1), "");
}

TEST_F(CudaDriverTest, GpuOfAnotherArchitecture) {
  set("CAPABILITY", "89");
  set("NAME", "NVIDIA L40S");
  EXPECT_EQ(deviceError({"sm_90a"}), "built for sm_90a, this GPU is sm_89 (NVIDIA L40S)");
  EXPECT_EQ(deviceError({"sm_86"}), "");
  EXPECT_EQ(contexts(), 0);
}

TEST_F(CudaDriverTest, MemoryWillNotSuffice) {
  set("NAME", "NVIDIA H200");
  set("TOTAL", std::to_string(141LL << 30));
  set("FREE", std::to_string(15LL << 30));
  EXPECT_EQ(deviceError({"sm_90a", 16ull << 30}), "memory of the GPU will not suffice: 16.0 GiB are needed, 15.0 GiB "
                                                  "of 141.0 GiB are free (NVIDIA H200)");
  EXPECT_EQ(deviceError({"sm_90a", 15ull << 30}), "");
  EXPECT_EQ(contexts(), 0) << "failures and ends give the context back";
}

TEST_F(CudaDriverTest, ContextThatCannotBeMade) {
  set("CONTEXT", "2");
  EXPECT_EQ(deviceError({"sm_90a"}), "cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY (out of memory)");
  EXPECT_EQ(contexts(), 0);
}

TEST_F(CudaDriverTest, OpensADeviceAndHoldsItsContextOnce) {
  CudaDriver driver = open();
  {
    auto device = CudaDevice::open(driver, {"sm_90a", 1});
    ASSERT_TRUE(device) << device.error().message;
    CudaDevice moved = std::move(*device);
    EXPECT_EQ(contexts(), 1);
    EXPECT_EQ(moved.facts().architecture(), "sm_90");
    EXPECT_EQ(moved.facts().name, "Fake GPU");
    EXPECT_EQ(moved.facts().multiprocessors, 132);
    EXPECT_EQ(moved.facts().maxSharedBytesPerBlock, 232448);
    EXPECT_EQ(moved.facts().freeBytes, 79ull << 30);
    EXPECT_TRUE(moved.makeCurrent());
  }
  EXPECT_EQ(contexts(), 0);
}

TEST(CudaDevice, ArchitecturesRunOnTheirCapabilities) {
  EXPECT_TRUE(runsOnCapability("sm_90a", 9, 0));
  EXPECT_FALSE(runsOnCapability("sm_90a", 10, 0));
  EXPECT_TRUE(runsOnCapability("sm_100a", 10, 0));
  EXPECT_FALSE(runsOnCapability("sm_100a", 10, 3)) << "a letter binds to one capability";
  EXPECT_TRUE(runsOnCapability("sm_120", 12, 1)) << "without one, later minors run it";
  EXPECT_TRUE(runsOnCapability("sm_80", 8, 9));
  EXPECT_FALSE(runsOnCapability("sm_89", 8, 6));
  EXPECT_FALSE(runsOnCapability("sm_80", 9, 0));
  EXPECT_FALSE(runsOnCapability("sm_", 9, 0));
  EXPECT_FALSE(runsOnCapability("90", 9, 0));
}

} // namespace
