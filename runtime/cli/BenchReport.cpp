// SPDX-License-Identifier: Apache-2.0
// Statistics of the repetitions and the three output formats of bench.
#include "runtime/cli/BenchReport.h"
#include "runtime/cli/BenchTable.h"
#include "runtime/support/Format.h"
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <numeric>
#include <ostream>

namespace sinter::rt {
namespace {

namespace json = boost::json;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> rates(const BenchTest &test) {
  std::vector<double> all;
  for (double seconds : test.seconds)
    all.push_back(test.tokens() / seconds);
  return all;
}

std::string hostText(const BenchTest &test) {
  return test.hostSeconds ? formatFixed(*test.hostSeconds * 1e6 / static_cast<double>(test.steps), 1) : "";
}

void printMarkdown(std::ostream &out, const BenchReport &report) {
  std::vector<TableRow> rows;
  for (const BenchTest &test : report.tests)
    rows.push_back({report.model, report.target, formatBytes(report.weightBytes), formatCount(report.parameters),
                    std::to_string(report.threads), test.name(),
                    formatFixed(test.meanRate(), 2) + " +- " + formatFixed(test.deviationOfRate(), 2),
                    formatFixed(test.medianRate(), 2), formatFixed(test.medianSeconds() * 1e3, 2),
                    formatFixed(test.secondsPerStep() * 1e3, 3), hostText(test)});
  printTable(out,
             {"model", "target", "size", "params", "threads", "test", "t/s", "median", "ms", "ms/step", "host us/step"},
             rows, 2);
  out << "\nloaded in " << formatSeconds(report.loadSeconds) << ", first token "
      << formatSeconds(report.firstTokenSeconds) << " after the start, peak memory " << formatBytes(report.peakBytes);
  if (report.peaks.bytesPerSecond > 0)
    out << ", memory reads " << formatFixed(report.peaks.bytesPerSecond / 1e9, 1) << " GB/s";
  if (report.upload)
    out << ", weights uploaded at "
        << formatFixed(static_cast<double>(report.weightBytes) / report.upload->seconds / 1e9, 1) << " of the link's "
        << formatFixed(report.upload->linkBytesPerSecond / 1e9, 1) << " GB/s";
  out << '\n';
  for (const BenchTest &test : report.tests)
    if (!test.kernels.empty())
      printKernels(out, test.name(), test.kernels, report.peaks);
  for (const BenchTest &test : report.tests)
    if (!test.stepRows.empty())
      printSteps(out, test.name(), test.stepRows);
}

void printCsv(std::ostream &out, const BenchReport &report) {
  out << "model,target,weight_bytes,parameters,threads,test,sequences,n_prompt,n_gen,avg_ts,stddev_ts,median_ts,"
         "median_seconds,seconds_per_step,load_seconds,first_token_seconds,peak_bytes\n";
  for (const BenchTest &test : report.tests)
    out << report.model << ',' << report.target << ',' << report.weightBytes << ',' << report.parameters << ','
        << report.threads << ',' << test.name() << ',' << test.sequences << ',' << test.prompt << ',' << test.generated
        << ',' << formatFixed(test.meanRate(), 3) << ',' << formatFixed(test.deviationOfRate(), 3) << ','
        << formatFixed(test.medianRate(), 3) << ',' << formatFixed(test.medianSeconds(), 6) << ','
        << formatFixed(test.secondsPerStep(), 6) << ',' << formatFixed(report.loadSeconds, 6) << ','
        << formatFixed(report.firstTokenSeconds, 6) << ',' << report.peakBytes << '\n';
}

json::object toJson(const BenchReport &report, const BenchTest &test) {
  json::object row{{"model_type", report.model},
                   {"target", report.target},
                   {"model_size", report.weightBytes},
                   {"model_n_params", report.parameters},
                   {"n_threads", report.threads},
                   {"test", test.name()},
                   {"n_sequences", test.sequences},
                   {"n_prompt", test.prompt},
                   {"n_gen", test.generated},
                   {"avg_ts", test.meanRate()},
                   {"stddev_ts", test.deviationOfRate()},
                   {"median_ts", test.medianRate()},
                   {"samples_ts", json::value_from(rates(test))},
                   {"median_seconds", test.medianSeconds()},
                   {"samples_seconds", json::value_from(test.seconds)},
                   {"seconds_per_step", test.secondsPerStep()},
                   {"steps", test.steps},
                   {"load_seconds", report.loadSeconds},
                   {"first_token_seconds", report.firstTokenSeconds},
                   {"peak_bytes", report.peakBytes}};
  if (test.hostSeconds)
    row["host_seconds_per_step"] = *test.hostSeconds / static_cast<double>(test.steps);
  if (report.upload) {
    row["upload_bytes_per_second"] = static_cast<double>(report.weightBytes) / report.upload->seconds;
    row["link_bytes_per_second"] = report.upload->linkBytesPerSecond;
  }
  if (!test.kernels.empty()) {
    row["read_bandwidth"] = report.peaks.bytesPerSecond;
    if (report.peaks.flopsPerSecond > 0)
      row["peak_flops"] = report.peaks.flopsPerSecond;
    row["kernels"] = kernelsToJson(test.kernels, report.peaks);
  }
  if (!test.stepRows.empty())
    row["by_step"] = stepsToJson(test.stepRows);
  return row;
}

/// An array with one object a test, with llama-bench's keys where it has them, so that its readers read ours.
void printJson(std::ostream &out, const BenchReport &report) {
  json::array rows;
  for (const BenchTest &test : report.tests)
    rows.push_back(toJson(report, test));
  out << json::serialize(rows) << '\n';
}

} // namespace

std::string BenchTest::name() const {
  switch (kind) {
  case Kind::Prompt:
    return "pp" + std::to_string(prompt);
  case Kind::Generate:
    return "tg" + std::to_string(generated);
  case Kind::Decode:
    return "tg" + std::to_string(sequences) + "@" + std::to_string(prompt);
  case Kind::Requests:
    return std::to_string(sequences) + "x(" + std::to_string(prompt) + "+" + std::to_string(generated) + ")";
  }
  return "";
}

double BenchTest::tokens() const {
  return static_cast<double>(sequences) * (kind == Kind::Prompt ? prompt : generated);
}

double BenchTest::meanRate() const {
  std::vector<double> all = rates(*this);
  return std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
}

double BenchTest::deviationOfRate() const {
  double mean = meanRate(), sum = 0;
  for (double rate : rates(*this))
    sum += (rate - mean) * (rate - mean);
  return seconds.size() < 2 ? 0 : std::sqrt(sum / static_cast<double>(seconds.size() - 1));
}

double BenchTest::medianRate() const { return median(rates(*this)); }

double BenchTest::medianSeconds() const { return median(seconds); }

double BenchTest::secondsPerStep() const {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(std::max<int64_t>(steps, 1));
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
