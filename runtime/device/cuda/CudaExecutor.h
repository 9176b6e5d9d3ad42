// SPDX-License-Identifier: Apache-2.0
// Runs the steps of a plan on a GPU: one upload of the step's arrays, one graph, whose last kernel writes the chosen
// tokens to memory of the host.
//
// Two steps may be under way. The arrays of the next one go up on a stream of their own while the GPU computes: there
// are two sets of them on the device, in turns, each with graphs of its own. Memory that the host shares with the GPU
// comes three times, so that a result stays valid while two more steps are started.
#pragma once
#include "runtime/device/Profiler.h"
#include "runtime/device/cuda/CudaSlot.h"
#include "runtime/support/Payload.h"
#include <array>

namespace sinter::rt {

struct CudaExecutorOptions {
  uint64_t kvBytes = 0; ///< for keys and values; 0: nine tenths of what is free
  int gpu = 0;
  int threads = 1;            ///< that load the weights
  bool checkWeights = true;   ///< compare their checksum
  bool checkLaunches = false; ///< no graphs, and a wait after every kernel: errors name it
  const char *library = "libcuda.so.1";
};

class CudaExecutor final : public Executor {
public:
  /// `code` has the section "cubins", `weights` the section "weights"; both are needed during the call only. Driver,
  /// architecture and memory are checked before anything is loaded.
  static Result<std::unique_ptr<CudaExecutor>> create(const Plan &plan, const Payload &code, const Payload &weights,
                                                      const CudaExecutorOptions &options = {});
  ~CudaExecutor() override;

  const ExecutorLimits &limits() const override { return limitsOfPlan; }
  int32_t depth() const override { return 2; }
  Result<void> start(const Step &step, std::span<const SampleRow> rows, bool wantLogits) override;
  Result<StepResult> finish() override;

  const CudaDevice &device() const { return *gpu; }
  double uploadSeconds() const { return secondsOfUpload; }
  /// Seconds that the GPU has spent on the steps that are finished: each from when the one before it had ended, its
  /// arrays were up and its graph was there.
  double busySeconds() const { return secondsBusy; }
  /// Builds every graph that a step can ask for and that is not there yet, most of which are else built when the first
  /// such step comes. Returns how many there are; none with checkLaunches.
  Result<int64_t> buildAllGraphs();

  /// Measures every launch of the steps that start from now on, from zero: their kernels run one after another.
  void startProfile();
  void stopProfile() { profiling = false; }
  std::vector<KernelTime> profile() const;
  int64_t profiledSteps() const { return stepsMeasured; }
  /// Bytes a second that the plan's own kernel "read_bandwidth" reads; an error if there is none.
  Result<double> measureReadBandwidth() const;

private:
  CudaExecutor(const Plan &plan, CudaDriver driver) : plan(plan), driver(driver) {}
  Result<void> openDevice(const CudaExecutorOptions &options);
  Result<void> load(const Payload &code, const Payload &weights, const CudaExecutorOptions &options);
  Result<void> allocateSteps();
  Result<void> buildCommonGraphs();
  Result<void> buildGraphs(std::span<const CudaStepLists> wanted);

  CudaAddress arraysOf(int64_t step) const { return stepArrays.get() + static_cast<uint64_t>(step % 2) * stepBytes; }
  CudaStepArrays othersOf(int64_t step) const;
  int32_t *publishedOf(int64_t step) const;
  Result<void> reserveLists(uint64_t biases, uint64_t histories);
  Result<void> upload(CudaSlot &slot, const Step &step, std::span<const SampleRow> rows);
  Result<void> uploadLists(CudaSlot &slot);
  Result<void> compute(CudaSlot &slot);
  Result<void> computeTimed(CudaSlot &slot);
  Result<void> download(CudaSlot &slot);
  Result<void> addTimes(const CudaSlot &slot);
  Result<double> timeLaunch(const CudaLaunchConfig &config, CudaFunctionHandle kernel, void **parameters,
                            const CudaEvent &begin, const CudaEvent &end) const;
  Result<void> copyUp(CudaAddress to, const void *from, uint64_t bytes);

  struct LaunchSum {
    int64_t calls = 0;
    double seconds = 0, bytes = 0, flops = 0;
  };

  const Plan &plan;
  CudaDriver driver;
  std::optional<CudaDevice> gpu;
  ExecutorLimits limitsOfPlan{};
  CudaBuffers buffers;
  CudaKernels kernels;
  CudaStream main, copies; ///< of the steps, and of what goes up for them
  uint64_t stepBytes = 0;  ///< of one set of step arrays
  CudaMemory stepArrays, sampled;
  CudaPinnedBuffer published; ///< tokens of two steps, in turns, as kernels write them
  CudaMemory listMemory[2];   ///< of both sets: biases, then histories
  uint64_t biasCapacity = 0, historyCapacity = 0;
  std::optional<CudaGraphs> graphs;
  CudaTimedGraph timedGraphs[2];
  std::array<CudaSlot, 3> slots;
  CudaSamplingLists samplingLists;
  Sampler sampler;                   ///< of rows whose token the host chooses
  int64_t started = 0, finished = 0; ///< steps
  int64_t stepsMeasured = 0;         ///< that `sums` is of
  double secondsOfUpload = 0, secondsBusy = 0;
  bool checkLaunches = false, profiling = false;
  std::map<const CudaLaunch *, LaunchSum> sums; ///< looked up only
};

} // namespace sinter::rt
