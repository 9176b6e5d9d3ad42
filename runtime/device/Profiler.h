// SPDX-License-Identifier: Apache-2.0
// What bench asks a device beyond running steps: what its kernels cost, and how fast it could be.
#pragma once
#include "runtime/device/Executor.h"
#include "runtime/device/Memory.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sinter::rt {

/// What a launch of the plan has cost since profiling began.
struct KernelTime {
  std::string kernel; ///< "k07_matvec"
  std::string op;     ///< the IR op it serves, printed
  int64_t calls = 0;
  double seconds = 0, bytes = 0, flops = 0; ///< of all calls
};

/// How the weights came to the device.
struct UploadReport {
  double seconds;            ///< of the weights' way
  double linkBytesPerSecond; ///< of one large copy, measured now
};

class Profiler {
public:
  virtual ~Profiler() = default;
  /// Measures every launch of the steps that start from now on, from zero; they may run slower.
  virtual void start() = 0;
  virtual void stop() = 0;
  /// Every launch that ran, in order of the plan, and in how many steps. Of steps under way nothing is known yet.
  virtual std::vector<KernelTime> times() const = 0;
  virtual int64_t steps() const = 0;
  /// Bytes a second, measured now.
  virtual Result<double> readBandwidth() = 0;
  /// Of its matrix units at their highest clock; 0 where nobody knows.
  virtual double peakFlops() const { return 0; }
  /// Seconds that the device has worked on the steps that are finished, whether the host waited for them or not; what
  /// is missing to the time that passed, it waited for the host. Nothing where it is the host itself.
  virtual std::optional<double> busySeconds() const { return std::nullopt; }
  /// Builds all that steps else build when they first need it, so that they take no memory for it later: graphs. How
  /// many there are.
  virtual Result<int64_t> buildGraphs() { return 0; }
  /// Bytes of its memory that are in use: of a GPU by all its processes, of the host by this one.
  virtual Result<uint64_t> usedBytes() { return residentBytes(); }
  /// Nothing where the weights are used where they are.
  virtual Result<std::optional<UploadReport>> upload() { return std::nullopt; }
};

} // namespace sinter::rt
