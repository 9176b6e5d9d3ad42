// SPDX-License-Identifier: Apache-2.0
// Sums of launches, as a table and as JSON.
#include "runtime/cli/BenchKernels.h"
#include "runtime/cli/BenchTable.h"
#include "runtime/support/Format.h"
#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <ostream>

namespace sinter::rt {
namespace {

/// "rms_norm" of "%2 = rms_norm %0, @w : ...".
std::string mnemonic(std::string_view op) {
  size_t start = op.find("= ");
  op.remove_prefix(start == std::string_view::npos ? 0 : start + 2);
  return std::string(op.substr(0, op.find_first_of(" (")));
}

/// A share in percent, or nothing of what is not known.
std::string percent(double part, double whole) {
  return part > 0 && whole > 0 ? formatFixed(100 * part / whole, 1) : "";
}

} // namespace

double KernelRow::floorSeconds(const DevicePeaks &peaks) const {
  double reading = peaks.bytesPerSecond > 0 ? bytes / peaks.bytesPerSecond : 0;
  double computing = peaks.flopsPerSecond > 0 ? flops / peaks.flopsPerSecond : 0;
  return std::max(reading, computing);
}

std::vector<KernelRow> kernelRows(const std::vector<KernelTime> &times, int64_t steps) {
  std::map<std::string, KernelRow> sums;
  double share = 1 / static_cast<double>(std::max<int64_t>(steps, 1));
  for (const KernelTime &time : times) {
    KernelRow &sum = sums[time.kernel];
    if (sum.kernel.empty()) {
      sum.kernel = time.kernel;
      sum.op = mnemonic(time.op);
    }
    sum.callsPerStep += share * static_cast<double>(time.calls);
    sum.seconds += share * time.seconds;
    sum.bytes += share * time.bytes;
    sum.flops += share * time.flops;
  }
  std::vector<KernelRow> rows;
  for (const auto &[name, sum] : sums)
    rows.push_back(sum);
  std::ranges::stable_sort(rows, std::ranges::greater{}, &KernelRow::seconds);
  return rows;
}

void printKernels(std::ostream &out, const std::string &title, const std::vector<KernelRow> &rows,
                  const DevicePeaks &peaks) {
  double total = 0, floor = 0;
  for (const KernelRow &row : rows) {
    total += row.seconds;
    floor += row.floorSeconds(peaks);
  }
  std::vector<TableRow> cells;
  for (const KernelRow &row : rows)
    cells.push_back({row.kernel, row.op, formatFixed(row.callsPerStep, 1), formatFixed(row.seconds * 1e6, 1),
                     percent(row.seconds, total), formatFixed(row.bytes / 1e6, 2), formatFixed(row.flops / 1e9, 2),
                     formatFixed(row.bytesPerSecond() / 1e9, 1), formatFixed(row.flopsPerSecond() / 1e9, 1),
                     percent(row.bytesPerSecond(), peaks.bytesPerSecond),
                     percent(row.floorSeconds(peaks), row.seconds)});
  out << "\n" << title << ": " << formatSeconds(total) << " a step, one kernel after another";
  if (floor > 0)
    out << "; floor " << formatSeconds(floor);
  out << "\n\n";
  printTable(out, {"kernel", "op", "calls", "us/step", "% time", "MB", "GFLOP", "GB/s", "GFLOP/s", "% read", "% floor"},
             cells, 2);
}

boost::json::array kernelsToJson(const std::vector<KernelRow> &rows, const DevicePeaks &peaks) {
  boost::json::array kernels;
  for (const KernelRow &row : rows)
    kernels.push_back({{"kernel", row.kernel},
                       {"op", row.op},
                       {"calls_per_step", row.callsPerStep},
                       {"seconds_per_step", row.seconds},
                       {"bytes_per_step", row.bytes},
                       {"flops_per_step", row.flops},
                       {"bytes_per_second", row.bytesPerSecond()},
                       {"flops_per_second", row.flopsPerSecond()},
                       {"floor_seconds_per_step", row.floorSeconds(peaks)}});
  return kernels;
}

} // namespace sinter::rt
