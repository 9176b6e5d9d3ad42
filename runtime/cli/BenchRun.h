// SPDX-License-Identifier: Apache-2.0
// The tests of bench, through the engine as a user has it, sampling included.
#pragma once
#include "runtime/cli/BenchReport.h"

namespace sinter::rt {

struct BenchRunOptions {
  int32_t repetitions = 5;
  bool kernels = false; ///< one repetition more, in which every launch is timed
  bool steps = false;   ///< sum up steps by their size
};

/// Fills in what `test` leaves open. `profiler` is the executor's. Errors name the test.
Result<void> runBenchTest(const BenchRunOptions &options, Executor &executor, Profiler &profiler, BenchTest &test);

/// One token after a prompt of one: the first that a process makes.
Result<void> makeOneToken(Executor &executor);

} // namespace sinter::rt
