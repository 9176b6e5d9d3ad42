// SPDX-License-Identifier: Apache-2.0
// bench: how fast prompts are read and answers are written, through the engine as a user has it, sampling included.
#include "runtime/cli/BenchReport.h"
#include "runtime/cli/Command.h"
#include "runtime/cli/Flags.h"
#include "runtime/device/Bandwidth.h"
#include "runtime/engine/Engine.h"
#include <CLI/CLI.hpp>
#include <chrono>
#include <random>

namespace sinter::rt {
namespace {

struct BenchFlags {
  DeviceFlags device;
  std::vector<int32_t> prompts{512}, generations{128};
  int32_t repetitions = 5;
  BenchFormat format = BenchFormat::Markdown;
  bool kernels = false;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Random tokens, other ones every time, the same in every run of the program.
std::vector<int32_t> randomTokens(int32_t count, int32_t vocabSize, std::mt19937 &random) {
  std::uniform_int_distribution<int32_t> token(0, vocabSize - 1);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t &id : tokens)
    id = token(random);
  return tokens;
}

/// A prompt of `prompt` tokens and `output` tokens after it; the seconds that takes.
Result<double> runOnce(Engine &engine, int32_t prompt, int32_t output, int32_t vocabSize, std::mt19937 &random) {
  Request request;
  request.prompt = randomTokens(prompt, vocabSize, random);
  request.maxTokens = output;
  request.ignoreEos = true;
  std::string error;
  request.onFinish = [&error](const Completion &done) { error = done.error; };
  double start = now();
  if (Result<RequestId> id = engine.submit(std::move(request)); !id)
    return tl::unexpected(id.error());
  engine.runUntilIdle();
  if (!error.empty())
    return fail(error);
  return now() - start;
}

/// Fills in the seconds of a test. A prompt of 512 tokens ends with the choice of the token after it, as for a user; to
/// generate 128 tokens is a prompt of one token and 128 steps of one token each.
Result<void> runTest(const BenchFlags &flags, CpuExecutor &executor, BenchTest &test) {
  EngineOptions options;
  options.sharePrefixes = false;
  Engine engine(executor, options);
  std::mt19937 random(1);
  int32_t vocab = executor.limits().vocabSize, output = std::max(test.generated, 1), prompt = std::max(test.prompt, 1);
  if (Result<double> warmUp = runOnce(engine, prompt, std::min(output, 8), vocab, random); !warmUp)
    return fail(test.name() + ": " + warmUp.error().message);
  int64_t stepsBefore = engine.stats().steps;
  if (flags.kernels)
    executor.startProfile();
  for (int32_t i = 0; i < flags.repetitions; ++i) {
    Result<double> seconds = runOnce(engine, prompt, output, vocab, random);
    if (!seconds)
      return fail(test.name() + ": " + seconds.error().message);
    test.seconds.push_back(*seconds);
  }
  if (flags.kernels)
    test.kernels = kernelRows(executor.profile(), engine.stats().steps - stepsBefore);
  return {};
}

Result<int> bench(const BenchFlags &flags, Model &model, Console &console) {
  double start = now();
  Result<std::unique_ptr<CpuExecutor>> executor = model.makeExecutor(flags.device);
  if (!executor)
    return tl::unexpected(executor.error());
  BenchReport report;
  report.loadSeconds = now() - start;
  report.model = model.info().model;
  report.target = model.plan().target;
  report.weightBytes = model.plan().weightsBytes;
  report.parameters = model.info().parameters;
  report.threads = (*executor)->team().size();
  for (int32_t prompt : flags.prompts)
    if (prompt > 0)
      report.tests.push_back({.prompt = prompt, .generated = 0, .seconds = {}, .kernels = {}});
  for (int32_t output : flags.generations)
    if (output > 0)
      report.tests.push_back({.prompt = 0, .generated = output, .seconds = {}, .kernels = {}});
  for (BenchTest &test : report.tests)
    if (Result<void> done = runTest(flags, **executor, test); !done)
      return tl::unexpected(done.error());
  report.peakBytes = peakResidentBytes();
  if (flags.kernels) {
    Result<double> bandwidth = measureReadBandwidth((*executor)->team());
    if (!bandwidth)
      return tl::unexpected(bandwidth.error());
    report.readBandwidth = *bandwidth;
  }
  printReport(console.out, report, flags.format);
  return exitOk;
}

} // namespace

void addBenchCommand(CLI::App &app, Action &chosen) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App *command = app.add_subcommand("bench", "Measure prompt processing and generation, in tokens a second");
  command->add_option("-p,--prompt", flags->prompts, "Prompt lengths, separated by commas; 0 is none")
      ->delimiter(',')
      ->check(CLI::Range(0, INT32_MAX))
      ->option_text("N [512]");
  command->add_option("-n,--generate", flags->generations, "Tokens to generate, separated by commas; 0 is none")
      ->delimiter(',')
      ->check(CLI::Range(0, INT32_MAX))
      ->option_text("N [128]");
  command->add_option("-r,--repetitions", flags->repetitions, "Repetitions of each")
      ->check(CLI::Range(1, 1000000))
      ->option_text("N [5]");
  auto parseFormat = [flags](const std::string &text) {
    const std::map<std::string, BenchFormat> formats = {
        {"md", BenchFormat::Markdown}, {"csv", BenchFormat::Csv}, {"json", BenchFormat::Json}};
    auto found = formats.find(text);
    if (found == formats.end())
      throw CLI::ValidationError("--output", "expected md, csv or json, found '" + text + "'");
    flags->format = found->second;
  };
  command->add_option_function<std::string>("-o,--output,--format", parseFormat, "Output format")
      ->option_text("md|csv|json");
  command->add_flag("--kernels", flags->kernels, "Time every kernel, and its share of the read bandwidth");
  addDeviceFlags(*command, flags->device);
  command->callback(
      [flags, &chosen] { chosen = [flags](Model &model, Console &console) { return bench(*flags, model, console); }; });
}

} // namespace sinter::rt
