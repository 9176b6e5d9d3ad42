// SPDX-License-Identifier: Apache-2.0
// bench: how fast prompts are read and answers are written, alone and many at once.
#include "runtime/cli/BenchRun.h"
#include "runtime/cli/Command.h"
#include "runtime/cli/Flags.h"
#include "runtime/device/Memory.h"
#include "runtime/support/Clock.h"
#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <iterator>
#include <time.h>
#include <unistd.h>

namespace sinter::rt {
namespace {

struct BenchFlags {
  DeviceFlags device;
  BenchRunOptions run;
  std::vector<int32_t> prompts{512}, generations{128}, concurrencies;
  int32_t context = 1024, steps = 32;
  std::vector<BenchTest> requests;
  BenchFormat format = BenchFormat::Markdown;
};

/// Since this process began, in hundredths: what /proc says of it.
double processSeconds() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // The name, in parentheses, may have blanks; the start is the 20th field after it.
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string field;
  for (int i = 0; i < 20; ++i)
    fields >> field;
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  double sinceBoot = static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  return sinceBoot - std::strtod(field.c_str(), nullptr) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<BenchTest> testsOf(const BenchFlags &flags) {
  using Kind = BenchTest::Kind;
  std::vector<BenchTest> tests;
  auto add = [&tests](Kind kind, int32_t sequences, int32_t prompt, int32_t generated) {
    BenchTest &test = tests.emplace_back();
    test.kind = kind;
    test.sequences = sequences;
    test.prompt = prompt;
    test.generated = generated;
  };
  for (int32_t prompt : flags.prompts)
    if (prompt > 0)
      add(Kind::Prompt, 1, prompt, 0);
  for (int32_t output : flags.generations)
    if (output > 0)
      add(Kind::Generate, 1, 0, output);
  for (int32_t sequences : flags.concurrencies)
    add(Kind::Decode, sequences, flags.context, flags.steps);
  tests.insert(tests.end(), flags.requests.begin(), flags.requests.end());
  return tests;
}

Result<void> measureDevice(const BenchFlags &flags, Profiler &profiler, BenchReport &report) {
  Result<std::optional<UploadReport>> upload = profiler.upload();
  if (!upload)
    return tl::unexpected(upload.error());
  report.upload = *upload;
  if (!flags.run.kernels)
    return {};
  Result<double> bandwidth = profiler.readBandwidth();
  if (!bandwidth)
    return tl::unexpected(bandwidth.error());
  report.peaks = {*bandwidth, profiler.peakFlops()};
  return {};
}

Result<int> bench(const BenchFlags &flags, Model &model, Console &console) {
  double start = secondsNow();
  Result<std::unique_ptr<Executor>> executor = model.makeExecutor(flags.device);
  if (!executor)
    return tl::unexpected(executor.error());
  BenchReport report;
  report.loadSeconds = secondsNow() - start;
  if (Result<void> made = makeOneToken(**executor); !made)
    return tl::unexpected(made.error());
  report.firstTokenSeconds = processSeconds();
  report.model = model.info().model;
  report.target = model.plan().target;
  report.weightBytes = model.plan().weightsBytes;
  report.parameters = model.info().parameters;
  report.threads = flags.device.numThreads();
  report.tests = testsOf(flags);
  std::unique_ptr<Profiler> profiler = model.makeProfiler(**executor);
  for (BenchTest &test : report.tests)
    if (Result<void> done = runBenchTest(flags.run, **executor, *profiler, test); !done)
      return tl::unexpected(done.error());
  report.peakBytes = peakResidentBytes();
  if (Result<void> measured = measureDevice(flags, *profiler, report); !measured)
    return tl::unexpected(measured.error());
  printReport(console.out, report, flags.format);
  return exitOk;
}

/// "1000x128x128"
BenchTest parseRequests(const std::string &text) {
  BenchTest test;
  test.kind = BenchTest::Kind::Requests;
  const char *at = text.data(), *end = at + text.size();
  for (int32_t *number : {&test.sequences, &test.prompt, &test.generated}) {
    auto [rest, error] = std::from_chars(at, end, *number);
    bool last = number == &test.generated;
    if (error != std::errc() || *number < 1 || (last ? rest != end : rest == end || *rest != 'x'))
      throw CLI::ValidationError("--requests",
                                 "expected REQUESTSxPROMPTxOUTPUT such as 1000x128x128, found '" + text + "'");
    at = rest + 1;
  }
  return test;
}

BenchFormat parseFormat(const std::string &text) {
  const std::map<std::string, BenchFormat> formats = {
      {"md", BenchFormat::Markdown}, {"csv", BenchFormat::Csv}, {"json", BenchFormat::Json}};
  auto found = formats.find(text);
  if (found == formats.end())
    throw CLI::ValidationError("--output", "expected md, csv or json, found '" + text + "'");
  return found->second;
}

void addTestFlags(CLI::App &command, BenchFlags &flags) {
  auto addList = [&command](const char *names, std::vector<int32_t> &list, int32_t least, const char *help) {
    return command.add_option(names, list, help)->delimiter(',')->check(CLI::Range(least, INT32_MAX));
  };
  addList("-p,--prompt", flags.prompts, 0, "Prompt lengths, separated by commas; 0 is none")->option_text("N [512]");
  addList("-n,--generate", flags.generations, 0, "Tokens to generate, separated by commas; 0 is none")
      ->option_text("N [128]");
  addList("-c,--concurrency", flags.concurrencies, 1,
          "Steps of N sequences at once, separated by commas, each a token after --context")
      ->option_text("N");
  command.add_option("--context", flags.context, "Tokens before, for --concurrency")
      ->check(CLI::Range(1, INT32_MAX))
      ->option_text("N [1024]");
  command.add_option("--steps", flags.steps, "Steps of a repetition, for --concurrency")
      ->check(CLI::Range(1, 1000000))
      ->option_text("N [32]");
  auto addRequests = [&flags](const std::vector<std::string> &texts) {
    for (const std::string &text : texts)
      flags.requests.push_back(parseRequests(text));
  };
  command
      .add_option_function<std::vector<std::string>>("--requests", addRequests,
                                                     "R requests of a prompt of P tokens at once, each answered with G")
      ->delimiter(',')
      ->option_text("RxPxG");
}

} // namespace

void addBenchCommand(CLI::App &app, Action &chosen) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App *command = app.add_subcommand("bench", "Measure prompt processing and generation, in tokens a second");
  addTestFlags(*command, *flags);
  command->add_option("-r,--repetitions", flags->run.repetitions, "Repetitions of each")
      ->check(CLI::Range(1, 1000000))
      ->option_text("N [5]");
  command
      ->add_option_function<std::string>(
          "-o,--output,--format", [flags](const std::string &text) { flags->format = parseFormat(text); },
          "Output format")
      ->option_text("md|csv|json");
  command->add_flag("--kernels", flags->run.kernels, "Time every kernel, and its share of what the device could do");
  command->add_flag("--by-step", flags->run.steps, "Sum up steps by their size: how many, and how long they took");
  addDeviceFlags(*command, flags->device);
  command->callback([flags, command, &chosen] {
    // The usual two tests are for those who ask for none.
    bool others = !flags->concurrencies.empty() || !flags->requests.empty();
    if (others && command->count("--prompt") == 0)
      flags->prompts.clear();
    if (others && command->count("--generate") == 0)
      flags->generations.clear();
    chosen = [flags](Model &model, Console &console) { return bench(*flags, model, console); };
  });
}

} // namespace sinter::rt
