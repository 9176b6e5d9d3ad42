// SPDX-License-Identifier: Apache-2.0
// Statistics of the repetitions and the three output formats of bench.
#include "runtime/cli/BenchReport.h"
#include "runtime/support/Format.h"
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <map>
#include <ostream>

namespace sinter::rt {
namespace {

namespace json = boost::json;

std::vector<double> rates(const BenchTest &test) {
  std::vector<double> all;
  for (double seconds : test.seconds)
    all.push_back((test.prompt + test.generated) / seconds);
  return all;
}

/// "rms_norm" of "%2 = rms_norm %0, @w : ...".
std::string mnemonic(std::string_view op) {
  size_t start = op.find("= ");
  op.remove_prefix(start == std::string_view::npos ? 0 : start + 2);
  return std::string(op.substr(0, op.find_first_of(" (")));
}

/// Whether an op works on the rows that want logits only: its result's type is printed as f32[S, ...].
bool worksOnLogitRows(std::string_view op) {
  size_t type = op.rfind(" : ");
  return type != std::string_view::npos && op.substr(type).find("[S") != std::string_view::npos;
}

using Row = std::vector<std::string>;

/// A markdown table whose columns line up in a terminal too; the first `leftAligned` columns are text.
void printTable(std::ostream &out, const Row &header, const std::vector<Row> &rows, size_t leftAligned) {
  std::vector<size_t> widths;
  for (size_t column = 0; column < header.size(); ++column) {
    widths.push_back(std::max<size_t>(header[column].size(), 3));
    for (const Row &row : rows)
      widths[column] = std::max(widths[column], row[column].size());
  }
  auto print = [&](const Row &row) {
    for (size_t column = 0; column < row.size(); ++column) {
      std::string blanks(widths[column] - row[column].size(), ' ');
      out << "| " << (column < leftAligned ? row[column] + blanks : blanks + row[column]) << ' ';
    }
    out << "|\n";
  };
  print(header);
  for (size_t column = 0; column < header.size(); ++column)
    out << (column < leftAligned ? "| " : "| ") << std::string(widths[column] - 1, '-')
        << (column < leftAligned ? "- " : ": ");
  out << "|\n";
  for (const Row &row : rows)
    print(row);
}

void printKernels(std::ostream &out, const BenchReport &report, const BenchTest &test) {
  double total = 0;
  for (const KernelRow &row : test.kernels)
    total += row.secondsPerStep;
  std::vector<Row> rows;
  for (const KernelRow &row : test.kernels)
    rows.push_back({row.kernel, row.op, std::to_string(row.calls), formatFixed(row.secondsPerStep * 1e6, 1),
                    formatFixed(100 * row.secondsPerStep / total, 1), formatFixed(row.bytesPerSecond / 1e9, 1),
                    formatFixed(100 * row.bytesPerSecond / report.readBandwidth, 1),
                    formatFixed(row.flopsPerSecond / 1e9, 1)});
  out << "\n" << test.name() << ": " << formatSeconds(total) << " a step\n\n";
  printTable(out, {"kernel", "op", "calls", "us/step", "% time", "GB/s", "% read", "GFLOP/s"}, rows, 2);
}

void printMarkdown(std::ostream &out, const BenchReport &report) {
  std::vector<Row> rows;
  for (const BenchTest &test : report.tests)
    rows.push_back({report.model, report.target, formatBytes(report.weightBytes), formatCount(report.parameters),
                    std::to_string(report.threads), test.name(),
                    formatFixed(test.meanRate(), 2) + " +- " + formatFixed(test.deviationOfRate(), 2),
                    formatFixed(test.medianRate(), 2)});
  printTable(out, {"model", "target", "size", "params", "threads", "test", "t/s", "median"}, rows, 2);
  out << "\nloaded in " << formatSeconds(report.loadSeconds) << ", peak memory " << formatBytes(report.peakBytes);
  if (report.readBandwidth > 0)
    out << ", memory reads " << formatFixed(report.readBandwidth / 1e9, 1) << " GB/s";
  out << '\n';
  for (const BenchTest &test : report.tests)
    if (!test.kernels.empty())
      printKernels(out, report, test);
}

void printCsv(std::ostream &out, const BenchReport &report) {
  out << "model,target,weight_bytes,parameters,threads,test,n_prompt,n_gen,avg_ts,stddev_ts,median_ts,load_seconds,"
         "peak_bytes\n";
  for (const BenchTest &test : report.tests)
    out << report.model << ',' << report.target << ',' << report.weightBytes << ',' << report.parameters << ','
        << report.threads << ',' << test.name() << ',' << test.prompt << ',' << test.generated << ','
        << formatFixed(test.meanRate(), 3) << ',' << formatFixed(test.deviationOfRate(), 3) << ','
        << formatFixed(test.medianRate(), 3) << ',' << formatFixed(report.loadSeconds, 6) << ',' << report.peakBytes
        << '\n';
}

json::array toJson(const std::vector<KernelRow> &rows) {
  json::array kernels;
  for (const KernelRow &row : rows)
    kernels.push_back({{"kernel", row.kernel},
                       {"op", row.op},
                       {"calls", row.calls},
                       {"seconds_per_step", row.secondsPerStep},
                       {"bytes_per_second", row.bytesPerSecond},
                       {"flops_per_second", row.flopsPerSecond}});
  return kernels;
}

/// An array with one object a test, with llama-bench's keys where it has them, so that its readers read ours.
void printJson(std::ostream &out, const BenchReport &report) {
  json::array rows;
  for (const BenchTest &test : report.tests) {
    json::object row{{"model_type", report.model},
                     {"target", report.target},
                     {"model_size", report.weightBytes},
                     {"model_n_params", report.parameters},
                     {"n_threads", report.threads},
                     {"n_prompt", test.prompt},
                     {"n_gen", test.generated},
                     {"avg_ts", test.meanRate()},
                     {"stddev_ts", test.deviationOfRate()},
                     {"median_ts", test.medianRate()},
                     {"samples_ts", json::value_from(rates(test))},
                     {"load_seconds", report.loadSeconds},
                     {"peak_bytes", report.peakBytes}};
    if (!test.kernels.empty()) {
      row["read_bandwidth"] = report.readBandwidth;
      row["kernels"] = toJson(test.kernels);
    }
    rows.push_back(std::move(row));
  }
  out << json::serialize(rows) << '\n';
}

} // namespace

std::vector<KernelRow> kernelRows(const std::vector<LaunchTime> &times, int64_t steps) {
  struct Sum {
    KernelRow row;
    double seconds = 0, bytes = 0, flops = 0;
  };
  std::map<std::string, Sum> sums;
  for (const LaunchTime &time : times) {
    Sum &sum = sums[time.launch->kernelName];
    if (sum.row.kernel.empty())
      sum.row = {time.launch->kernelName, mnemonic(time.launch->op)};
    sum.row.calls += time.calls;
    sum.seconds += time.seconds;
    sum.bytes += time.launch->bytes * static_cast<double>(time.calls);
    int64_t rows = worksOnLogitRows(time.launch->op) ? time.logits : time.tokens;
    sum.flops += time.launch->flops * static_cast<double>(rows);
  }
  std::vector<KernelRow> rows;
  for (auto &[name, sum] : sums) {
    sum.row.secondsPerStep = sum.seconds / static_cast<double>(steps);
    sum.row.bytesPerSecond = sum.bytes / sum.seconds;
    sum.row.flopsPerSecond = sum.flops / sum.seconds;
    rows.push_back(sum.row);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const KernelRow &a, const KernelRow &b) { return a.secondsPerStep > b.secondsPerStep; });
  return rows;
}

std::string BenchTest::name() const {
  return generated ? "tg" + std::to_string(generated) : "pp" + std::to_string(prompt);
}

double BenchTest::meanRate() const {
  double sum = 0;
  for (double rate : rates(*this))
    sum += rate;
  return sum / static_cast<double>(seconds.size());
}

double BenchTest::deviationOfRate() const {
  double mean = meanRate(), sum = 0;
  for (double rate : rates(*this))
    sum += (rate - mean) * (rate - mean);
  return seconds.size() < 2 ? 0 : std::sqrt(sum / static_cast<double>(seconds.size() - 1));
}

double BenchTest::medianRate() const {
  std::vector<double> sorted = rates(*this);
  std::sort(sorted.begin(), sorted.end());
  size_t middle = sorted.size() / 2;
  return sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

void printReport(std::ostream &out, const BenchReport &report, BenchFormat format) {
  switch (format) {
  case BenchFormat::Markdown:
    return printMarkdown(out, report);
  case BenchFormat::Csv:
    return printCsv(out, report);
  case BenchFormat::Json:
    return printJson(out, report);
  }
}

} // namespace sinter::rt
