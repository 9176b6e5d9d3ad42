// SPDX-License-Identifier: Apache-2.0
// The toy model in a payload, on the GPU that fake_cuda plays.
#pragma once
#include "runtime/device/cuda/CudaExecutor.h"
#include "runtime/support/PayloadWriter.h"
#include "tests/runtime/ToyCudaPlan.h"
#include <cstdio>
#include <dlfcn.h>
#include <gtest/gtest.h>

namespace sinter::rt {

class CudaFixture : public testing::Test {
protected:
  CudaFixture() {
    gpu.kernels = [this](const FakeLaunch &launch) { record(launch); };
  }
  ~CudaFixture() override {
    EXPECT_EQ(gpu.live, 0) << "all that the driver gave is given back";
    gpu = {};
    for (const std::string &name : changed)
      unsetenv(name.c_str());
    for (const std::string &path : files)
      std::remove(path.c_str());
  }

  void set(const std::string &name, const std::string &value) {
    changed.push_back("FAKE_CUDA_" + name);
    setenv(changed.back().c_str(), value.c_str(), 1);
  }
  /// A payload of these sections; one without a name is left out.
  Payload payload(const std::vector<std::pair<const char *, std::string>> &sections) {
    files.push_back(testing::TempDir() + "cuda_payload_" + std::to_string(getpid()) + "_" +
                    std::to_string(files.size()));
    std::remove(files.back().c_str());
    auto writer = PayloadWriter::append(files.back());
    EXPECT_TRUE(writer);
    for (const auto &[name, bytes] : sections)
      EXPECT_TRUE(writer->add(name, bytes.data(), bytes.size()));
    EXPECT_TRUE(writer->finish());
    auto opened = Payload::open(files.back());
    EXPECT_TRUE(opened);
    return std::move(*opened);
  }
  static std::string toyWeights() {
    std::vector<int32_t> words = toy::makeWeights();
    return {reinterpret_cast<const char *>(words.data()), words.size() * 4};
  }
  Payload toyPayload() { return payload({{"cubins", toy::makeCubins()}, {"weights", toyWeights()}}); }

  static CudaExecutorOptions fakeOptions() {
    CudaExecutorOptions options;
    options.threads = 2;
    options.library = FAKE_CUDA;
    return options;
  }
  std::unique_ptr<CudaExecutor> make(const CudaExecutorOptions &options = fakeOptions(),
                                     const Plan &plan = toy::cudaPlan) {
    Payload both = toyPayload();
    auto executor = CudaExecutor::create(plan, both, both, options);
    EXPECT_TRUE(executor) << executor.error().message;
    return std::move(*executor);
  }
  /// Why the toy does not load.
  std::string loadError(const Payload &code, const Payload &weights, const Plan &plan = toy::cudaPlan,
                        const CudaExecutorOptions &options = fakeOptions()) {
    auto executor = CudaExecutor::create(plan, code, weights, options);
    return executor ? "" : executor.error().message;
  }

  FakeGpu &gpu = *fake();
  std::vector<FakeLaunch> launches; ///< all that have run
  /// The counts of the last body.
  std::vector<int> counts;

private:
  static FakeGpu *fake() {
    static const auto get = reinterpret_cast<FakeGpu *(*)()>(dlsym(dlopen(FAKE_CUDA, RTLD_NOW), "fakeCudaGpu"));
    return get();
  }
  void record(const FakeLaunch &launch) {
    launches.push_back(launch);
    if (launch.kernel == "embed")
      counts.assign(launch.step.counts, launch.step.counts + CudaStep::NumCounts);
    toy::runCudaKernel(launch);
  }

  std::vector<std::string> changed, files;
};

} // namespace sinter::rt
