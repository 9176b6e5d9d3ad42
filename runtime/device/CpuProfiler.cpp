// SPDX-License-Identifier: Apache-2.0
// Launch times of the CPU in the words of every device.
#include "runtime/device/CpuProfiler.h"
#include "runtime/device/Bandwidth.h"

namespace sinter::rt {
namespace {

/// Whether an op works on the rows that want logits only: its result's type is printed as f32[S, ...].
bool worksOnLogitRows(std::string_view op) {
  size_t type = op.rfind(" : ");
  return type != std::string_view::npos && op.substr(type).find("[S") != std::string_view::npos;
}

} // namespace

std::vector<KernelTime> CpuProfiler::times() const {
  std::vector<KernelTime> times;
  for (const LaunchTime &time : executor.profile()) {
    const Launch &launch = *time.launch;
    int64_t rows = worksOnLogitRows(launch.op) ? time.logits : time.tokens;
    times.push_back({.kernel = launch.kernelName,
                     .op = launch.op,
                     .calls = time.calls,
                     .seconds = time.seconds,
                     .bytes = launch.bytes * static_cast<double>(time.calls),
                     .flops = launch.flops * static_cast<double>(rows)});
  }
  return times;
}

Result<double> CpuProfiler::readBandwidth() { return measureReadBandwidth(executor.team()); }

} // namespace sinter::rt
