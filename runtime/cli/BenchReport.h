// SPDX-License-Identifier: Apache-2.0
// What bench measured, and how it is printed: tables like llama-bench's, csv, json.
#pragma once
#include "runtime/device/CpuExecutor.h"
#include <iosfwd>

namespace sinter::rt {

/// Launches of one kernel, taken together.
struct KernelRow {
  std::string kernel, op; ///< "k07_matmul", "matmul"
  int64_t calls = 0;
  double secondsPerStep = 0; ///< of all its launches of a step
  double bytesPerSecond = 0; ///< of its fixed traffic: weights
  double flopsPerSecond = 0;
};

/// Sums launches by kernel, those that take longest first.
std::vector<KernelRow> kernelRows(const std::vector<LaunchTime> &times, int64_t steps);

struct BenchTest {
  int32_t prompt = 0, generated = 0; ///< tokens; one of them is 0
  std::vector<double> seconds;       ///< of each repetition
  std::vector<KernelRow> kernels;    ///< with --kernels

  std::string name() const;       ///< "pp512", "tg128"
  double meanRate() const;        ///< tokens a second
  double deviationOfRate() const; ///< sample standard deviation; 0 for one repetition
  double medianRate() const;
};

struct BenchReport {
  std::string model, target;
  uint64_t weightBytes = 0, parameters = 0;
  int threads = 0;
  double loadSeconds = 0;
  uint64_t peakBytes = 0;   ///< resident, of the process, after the tests
  double readBandwidth = 0; ///< bytes a second, measured when kernels are asked for
  std::vector<BenchTest> tests;
};

enum class BenchFormat { Markdown, Csv, Json };

void printReport(std::ostream &out, const BenchReport &report, BenchFormat format);

} // namespace sinter::rt
