// SPDX-License-Identifier: Apache-2.0
// The CPU executor's costs, as bench asks for them.
#pragma once
#include "runtime/device/CpuExecutor.h"
#include "runtime/device/Profiler.h"

namespace sinter::rt {

class CpuProfiler final : public Profiler {
public:
  explicit CpuProfiler(CpuExecutor &executor) : executor(executor) {}
  void start() override { executor.startProfile(); }
  void stop() override {}
  std::vector<KernelTime> times() const override;
  int64_t steps() const override { return executor.profiledSteps(); }
  Result<double> readBandwidth() override;

private:
  CpuExecutor &executor;
};

} // namespace sinter::rt
