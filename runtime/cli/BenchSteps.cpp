// SPDX-License-Identifier: Apache-2.0
// Sums of steps, as a table and as JSON.
#include "runtime/cli/BenchSteps.h"
#include "runtime/cli/BenchTable.h"
#include "runtime/support/Clock.h"
#include "runtime/support/Format.h"
#include <bit>
#include <boost/json.hpp>
#include <ostream>

namespace sinter::rt {

std::string StepRow::name() const { return (decode ? "decode to " : "mixed to ") + std::to_string(mostTokens); }

Result<void> StepRecorder::start(const Step &step, std::span<const SampleRow> rows, bool wantLogits) {
  if (underWay.empty())
    lastEnd = secondsNow();
  auto started = executor.start(step, rows, wantLogits);
  if (started)
    underWay.push_back({step.numTokens, step.numSeqs});
  return started;
}

Result<StepResult> StepRecorder::finish() {
  std::optional<double> before = profiler.busySeconds();
  Result<StepResult> result = executor.finish();
  Started step = underWay.front();
  underWay.erase(underWay.begin());
  double now = secondsNow(), passed = now - std::exchange(lastEnd, now);
  bool decode = step.tokens == step.sequences;
  auto most = static_cast<int32_t>(std::bit_ceil(static_cast<uint32_t>(step.tokens)));
  StepRow &sum = sums[{!decode, most}];
  sum.decode = decode;
  sum.mostTokens = most;
  ++sum.steps;
  sum.tokens += step.tokens;
  sum.sequences += step.sequences;
  sum.seconds += before ? *profiler.busySeconds() - *before : passed;
  return result;
}

std::vector<StepRow> StepRecorder::rows() const {
  std::vector<StepRow> rows;
  for (const auto &[key, sum] : sums)
    rows.push_back(sum);
  return rows;
}

void printSteps(std::ostream &out, const std::string &title, const std::vector<StepRow> &rows) {
  double total = 0;
  for (const StepRow &row : rows)
    total += row.seconds;
  std::vector<TableRow> cells;
  for (const StepRow &row : rows) {
    auto steps = static_cast<double>(row.steps);
    cells.push_back({row.name(), std::to_string(row.steps), formatFixed(static_cast<double>(row.tokens) / steps, 1),
                     formatFixed(static_cast<double>(row.sequences) / steps, 1),
                     formatFixed(row.seconds / steps * 1e3, 3), formatFixed(row.seconds * 1e3, 1),
                     formatFixed(total > 0 ? 100 * row.seconds / total : 0, 1)});
  }
  out << "\n" << title << ", by tokens a step\n\n";
  printTable(out, {"steps", "number", "tokens", "sequences", "ms each", "ms", "% time"}, cells, 1);
}

boost::json::array stepsToJson(const std::vector<StepRow> &rows) {
  boost::json::array steps;
  for (const StepRow &row : rows)
    steps.push_back({{"decode", row.decode},
                     {"most_tokens", row.mostTokens},
                     {"steps", row.steps},
                     {"tokens", row.tokens},
                     {"sequences", row.sequences},
                     {"seconds", row.seconds}});
  return steps;
}

} // namespace sinter::rt
