// SPDX-License-Identifier: Apache-2.0
// Of which steps a test consisted, and how long those of each size took.
#pragma once
#include "runtime/device/Profiler.h"
#include <boost/json/fwd.hpp>
#include <iosfwd>
#include <map>

namespace sinter::rt {

/// Steps of about the same size, taken together.
struct StepRow {
  bool decode = false;    ///< every sequence had one token
  int32_t mostTokens = 0; ///< a power of two; the step before it in size had at most half
  int64_t steps = 0, tokens = 0, sequences = 0;
  double seconds = 0; ///< of the device, where it knows them, else from start to end

  std::string name() const; ///< "decode to 256"
};

/// Hands everything on to an executor, and sums up its steps.
class StepRecorder final : public Executor {
public:
  /// Both must outlive it.
  StepRecorder(Executor &executor, Profiler &profiler) : executor(executor), profiler(profiler) {}

  const ExecutorLimits &limits() const override { return executor.limits(); }
  int32_t depth() const override { return executor.depth(); }
  Result<void> start(const Step &step, std::span<const SampleRow> rows, bool wantLogits) override;
  Result<StepResult> finish() override;

  /// From the next step to finish on, from zero.
  void clear() { sums.clear(); }
  /// Decoding first, smaller ones first.
  std::vector<StepRow> rows() const;

private:
  struct Started {
    int32_t tokens, sequences;
  };

  Executor &executor;
  Profiler &profiler;
  std::vector<Started> underWay;                    ///< oldest first
  double lastEnd = 0;                               ///< of a step, where the device knows no times
  std::map<std::pair<bool, int32_t>, StepRow> sums; ///< by mixed or not, and size
};

void printSteps(std::ostream &out, const std::string &title, const std::vector<StepRow> &rows);
boost::json::array stepsToJson(const std::vector<StepRow> &rows);

} // namespace sinter::rt
