// SPDX-License-Identifier: Apache-2.0
// What bench measured, and how it is printed: tables like llama-bench's, csv, json.
#pragma once
#include "runtime/cli/BenchKernels.h"
#include "runtime/cli/BenchSteps.h"

namespace sinter::rt {

struct BenchTest {
  enum class Kind {
    Prompt,   ///< a prompt, up to the choice of the token after it
    Generate, ///< an answer to a prompt of one token
    Decode,   ///< steps in which `sequences` each add a token to a context of about `prompt`
    Requests, ///< `sequences` requests at once, from their submission to the last token
  };
  Kind kind = Kind::Prompt;
  int32_t sequences = 1, prompt = 0, generated = 0; ///< tokens of each sequence
  std::vector<double> seconds;                      ///< of each repetition
  int64_t steps = 0;                                ///< of all repetitions
  /// Of all repetitions, in which a device of its own had no step to run: it waited for the host. A step that is in
  /// flight where a repetition begins or ends counts as a whole where it ends.
  std::optional<double> hostSeconds;
  std::vector<KernelRow> kernels; ///< with --kernels
  std::vector<StepRow> stepRows;  ///< with --by-step, of all repetitions

  std::string name() const;       ///< "pp512", "tg128", "tg8@1024", "1000x(128+128)"
  double tokens() const;          ///< that a repetition is said to make: of the prompt for Kind::Prompt, else generated
  double meanRate() const;        ///< tokens a second
  double deviationOfRate() const; ///< sample standard deviation; 0 for one repetition
  double medianRate() const;
  double medianSeconds() const;
  double secondsPerStep() const;
};

struct BenchReport {
  std::string model, target;
  uint64_t weightBytes = 0, parameters = 0;
  int threads = 0;
  double loadSeconds = 0;
  double firstTokenSeconds = 0; ///< from the start of the process to its first token
  std::optional<UploadReport> upload;
  uint64_t peakBytes = 0; ///< resident, of the process, after the tests
  DevicePeaks peaks;      ///< measured when kernels are asked for
  std::vector<BenchTest> tests;
};

enum class BenchFormat { Markdown, Csv, Json };

void printReport(std::ostream &out, const BenchReport &report, BenchFormat format);

} // namespace sinter::rt
