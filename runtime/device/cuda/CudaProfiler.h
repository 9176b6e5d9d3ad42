// SPDX-License-Identifier: Apache-2.0
// The CUDA executor's costs, as bench asks for them.
#pragma once
#include "runtime/device/cuda/CudaExecutor.h"

namespace sinter::rt {

/// Dense bf16 FLOPs a second of the tensor cores at the highest clock; 0 for a GPU that is not known.
double cudaPeakFlops(const CudaDeviceFacts &facts);

class CudaProfiler final : public Profiler {
public:
  explicit CudaProfiler(CudaExecutor &executor) : executor(executor) {}
  void start() override { executor.startProfile(); }
  void stop() override { executor.stopProfile(); }
  std::vector<KernelTime> times() const override { return executor.profile(); }
  int64_t steps() const override { return executor.profiledSteps(); }
  Result<double> readBandwidth() override { return executor.measureReadBandwidth(); }
  double peakFlops() const override { return cudaPeakFlops(executor.device().facts()); }
  std::optional<double> busySeconds() const override { return executor.busySeconds(); }
  Result<int64_t> buildGraphs() override { return executor.buildAllGraphs(); }
  Result<uint64_t> usedBytes() override;
  Result<std::optional<UploadReport>> upload() override;

private:
  CudaExecutor &executor;
};

} // namespace sinter::rt
