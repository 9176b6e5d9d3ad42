// SPDX-License-Identifier: Apache-2.0
// The GPU that tests play refuses what a real one would fault on, or get wrong now and then: whoever relies on it must
// know that it does.
#include "CudaFixture.h"
#include <thread>

using namespace sinter::rt;

namespace {

class FakeCudaTest : public CudaFixture {
protected:
  FakeCudaTest() : driver(*CudaDriver::open(FAKE_CUDA)) {
    device.emplace(std::move(*CudaDevice::open(driver, {"sm_90a", 0})));
    library = std::move(*openToy());
    memory = std::move(*allocateCudaMemory(driver, 4096, "a test"));
    pinned = std::move(*allocateCudaPinned(driver, 4096));
    first = std::move(*makeCudaStream(driver));
    second = std::move(*makeCudaStream(driver));
  }

  void TearDown() override {
    (void)driver.cuStreamSynchronize(first.get());
    (void)driver.cuStreamSynchronize(second.get());
  }

  std::optional<CudaLibrary> openToy() {
    CudaLibraryHandle handle = nullptr;
    static constexpr char cubin[] = "layer 2";
    if (driver.cuLibraryLoadData(&handle, cubin, nullptr, nullptr, 0, nullptr, nullptr, 0) != cudaSuccess)
      return std::nullopt;
    return CudaLibrary(driver, handle);
  }
  CudaStatus launch(CudaAddress argument, CudaLaunchConfig config = {}) {
    CudaStep step{};
    CudaAddress pointers[] = {memory.get(), argument};
    void *parameters[] = {&step, pointers};
    config.stream = first.get();
    gpu.kernels = nullptr;
    return driver.cuLaunchKernelEx(&config, reinterpret_cast<CudaFunctionHandle>(library.get()), parameters, nullptr);
  }
  CudaStatus copyUp(CudaStreamHandle stream, uint64_t bytes = 64) {
    return driver.cuMemcpyHtoDAsync_v2(memory.get(), pinned.get(), bytes, stream);
  }

  CudaDriver driver;
  std::optional<CudaDevice> device;
  CudaLibrary library;
  CudaMemory memory;
  CudaPinned pinned;
  CudaStream first, second;
};

#define EXPECT_REFUSED(STATEMENT, TEXT) EXPECT_EXIT(STATEMENT, testing::ExitedWithCode(97), TEXT)

TEST_F(FakeCudaTest, PointersOfLaunches) {
  EXPECT_EQ(launch(memory.get() + 16), cudaSuccess);
  EXPECT_EQ(launch(memory.get() + 4096), cudaSuccess) << "an end beside its begin";
  EXPECT_EQ(launch(0), cudaSuccess) << "what is optional";
  EXPECT_REFUSED(launch(memory.get() + 8), "kernel layer: argument 1 is not aligned to 16 bytes");
  EXPECT_REFUSED(launch(memory.get() + 8192), "argument 1 is in no allocation");
  EXPECT_REFUSED(launch(reinterpret_cast<CudaAddress>(pinned.get())), "argument 1 is memory of the host");
  CudaAddress gone = allocateCudaMemory(driver, 64, "a test")->get();
  EXPECT_REFUSED(launch(gone), "in no allocation, or in one that was given back");
}

TEST_F(FakeCudaTest, LimitsOfLaunches) {
  CudaLaunchConfig config;
  config.dynamicSharedBytes = 48 << 10;
  EXPECT_EQ(launch(0, config), cudaSuccess);
  config.dynamicSharedBytes += 1;
  EXPECT_REFUSED(launch(0, config), "49153 bytes of dynamic shared memory were not allowed");
  config = {};
  config.blockX = 1025;
  EXPECT_REFUSED(launch(0, config), "1025 threads");
  config = {};
  config.gridX = 0;
  EXPECT_REFUSED(launch(0, config), "grid of 0 blocks");
  CudaLaunchAttribute attribute = CudaLaunchAttribute::programmatic();
  config = {};
  config.attributes = &attribute;
  config.numAttributes = 1;
  EXPECT_EQ(launch(0, config), cudaSuccess);
  set("CAPABILITY", "80");
  EXPECT_REFUSED(launch(0, config), "programmatic launches need compute capability 9.0");
}

TEST_F(FakeCudaTest, CopiesStayInsideAndInOrder) {
  EXPECT_REFUSED(copyUp(first.get(), 4097), "cuMemcpyHtoDAsync_v2 of 4097 bytes: ends 1 bytes behind device");
  ASSERT_EQ(launch(0), cudaSuccess); // on the first stream
  EXPECT_REFUSED(copyUp(second.get()), "is not ordered after a launch of 1 kernels from layer");
  EXPECT_EQ(copyUp(first.get()), cudaSuccess) << "the same stream";
  CudaEvent event = std::move(*makeCudaEvent(driver, cudaEventNoTiming));
  ASSERT_EQ(driver.cuEventRecord(event.get(), first.get()), cudaSuccess);
  ASSERT_EQ(driver.cuStreamWaitEvent(second.get(), event.get(), 0), cudaSuccess);
  EXPECT_EQ(copyUp(second.get()), cudaSuccess) << "after an event of the first";
  EXPECT_EQ(driver.cuStreamSynchronize(second.get()), cudaSuccess);
}

TEST_F(FakeCudaTest, MemoryOfCopiesStaysAsItIs) {
  EXPECT_REFUSED(
      {
        copyUp(first.get());
        static_cast<char *>(pinned.get())[3] = 1;
        driver.cuStreamSynchronize(first.get());
      },
      "the host changed it before the copy was known to be done");
  EXPECT_REFUSED(
      {
        copyUp(first.get());
        driver.cuMemFree_v2(memory.get());
      },
      "is given back while");
  auto *arrived = static_cast<int *>(pinned.get());
  ASSERT_EQ(driver.cuMemsetD8Async(memory.get(), 7, 64, first.get()), cudaSuccess);
  ASSERT_EQ(driver.cuMemcpyDtoHAsync_v2(arrived, memory.get(), 64, first.get()), cudaSuccess);
  EXPECT_EQ(*arrived, -1) << "it is not there before it was waited for";
  ASSERT_EQ(driver.cuStreamSynchronize(first.get()), cudaSuccess);
  EXPECT_EQ(*arrived, 0x07070707);
}

TEST_F(FakeCudaTest, Captures) {
  ASSERT_EQ(driver.cuStreamBeginCapture_v2(first.get(), CudaCaptureMode::ThreadLocal), cudaSuccess);
  EXPECT_REFUSED(copyUp(first.get()), "not on a stream that is captured");
  EXPECT_REFUSED((void)allocateCudaMemory(driver, 64, "a test"), "cuMemAlloc_v2: not while this thread captures");
  EXPECT_EQ(launch(0), cudaSuccess);
  CudaGraphHandle graph = nullptr;
  ASSERT_EQ(driver.cuStreamEndCapture(first.get(), &graph), cudaSuccess);
  CudaGraph owned(driver, graph);
  EXPECT_REFUSED(driver.cuStreamEndCapture(first.get(), &graph), "the stream is not captured");
  EXPECT_EQ(copyUp(second.get()), cudaSuccess) << "the captured launch has not run";
  EXPECT_EQ(driver.cuStreamSynchronize(second.get()), cudaSuccess);
}

TEST_F(FakeCudaTest, ThreadsNeedAContext) {
  EXPECT_REFUSED(std::thread([this] { (void)copyUp(first.get()); }).join(), "called by a thread without a context");
}

} // namespace
