// SPDX-License-Identifier: Apache-2.0
// What every kernel of a step costs, beside the least it could cost.
#pragma once
#include "runtime/device/Profiler.h"
#include <boost/json/fwd.hpp>
#include <iosfwd>

namespace sinter::rt {

/// How fast the device can be; 0 where that is not known.
struct DevicePeaks {
  double bytesPerSecond = 0, flopsPerSecond = 0;
};

/// Launches of one kernel, taken together.
struct KernelRow {
  std::string kernel, op; ///< "k07_matmul", "matmul"
  double callsPerStep = 0;
  double seconds = 0, bytes = 0, flops = 0; ///< a step

  double bytesPerSecond() const { return seconds > 0 ? bytes / seconds : 0; }
  double flopsPerSecond() const { return seconds > 0 ? flops / seconds : 0; }
  /// The longer of reading its bytes and computing its FLOPs at the device's peaks.
  double floorSeconds(const DevicePeaks &peaks) const;
};

/// Sums launches by kernel, those that take longest first.
std::vector<KernelRow> kernelRows(const std::vector<KernelTime> &times, int64_t steps);

void printKernels(std::ostream &out, const std::string &title, const std::vector<KernelRow> &rows,
                  const DevicePeaks &peaks);
boost::json::array kernelsToJson(const std::vector<KernelRow> &rows, const DevicePeaks &peaks);

} // namespace sinter::rt
