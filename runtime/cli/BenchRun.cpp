// SPDX-License-Identifier: Apache-2.0
// Requests of random tokens, and what they take.
#include "runtime/cli/BenchRun.h"
#include "runtime/cli/RunAlone.h"
#include "runtime/support/Clock.h"
#include <algorithm>
#include <random>

namespace sinter::rt {
namespace {

EngineOptions benchOptions() {
  EngineOptions options;
  options.sharePrefixes = false;
  return options;
}

/// An engine, and what has come out of it.
class BenchRun {
public:
  BenchRun(const BenchRunOptions &options, Executor &executor, Profiler &profiler, BenchTest &test)
      : options(options), recorder(executor, profiler), profiler(profiler), test(test),
        engine(recorder, benchOptions()) {}

  Result<void> submit(int32_t prompt, int32_t output);
  /// Until all requests have ended, or `enough()`.
  template <typename Enough>
  Result<void> stepUntil(Enough &&enough) {
    while (error.empty() && !enough() && engine.step()) {
    }
    return error.empty() ? Result<void>() : failInternal(error);
  }
  /// Runs `work` and adds its time, steps and waiting to the test.
  template <typename Work>
  Result<void> measure(Work &&work);
  /// Runs `work` with the launches of all steps timed that begin in it.
  template <typename Work>
  Result<void> profile(Work &&work);
  void cancelAll();

  int64_t tokens = 0;  ///< of all answers so far
  int32_t started = 0; ///< requests with two tokens: they are decoding

private:
  const BenchRunOptions &options;
  StepRecorder recorder;
  Profiler &profiler;
  BenchTest &test;
  Engine engine;
  std::mt19937 random{1};
  std::vector<RequestId> requests;
  std::string error;
};

/// Random tokens, other ones every time, the same in every run of the program.
Result<void> BenchRun::submit(int32_t prompt, int32_t output) {
  Request request;
  std::uniform_int_distribution<int32_t> token(0, recorder.limits().vocabSize - 1);
  for (int32_t i = 0; i < prompt; ++i)
    request.prompt.push_back(token(random));
  request.maxTokens = output;
  request.ignoreEos = true;
  request.onToken = [this](const TokenEvent &event) {
    ++tokens;
    started += event.index == 1;
  };
  request.onFinish = [this](const Completion &done) { error = done.error.empty() ? error : done.error; };
  Result<RequestId> id = engine.submit(std::move(request));
  if (!id)
    return tl::unexpected(id.error());
  requests.push_back(*id);
  return {};
}

template <typename Work>
Result<void> BenchRun::measure(Work &&work) {
  std::optional<double> busy = profiler.busySeconds();
  int64_t steps = engine.stats().steps;
  if (test.seconds.empty())
    recorder.clear();
  double begin = secondsNow();
  Result<void> done = work();
  double seconds = secondsNow() - begin;
  test.seconds.push_back(seconds);
  test.steps += engine.stats().steps - steps;
  if (options.steps)
    test.stepRows = recorder.rows();
  if (busy)
    test.hostSeconds = test.hostSeconds.value_or(0) + std::max(0.0, seconds - (*profiler.busySeconds() - *busy));
  return done;
}

template <typename Work>
Result<void> BenchRun::profile(Work &&work) {
  profiler.start();
  Result<void> done = work();
  profiler.stop();
  test.kernels = kernelRows(profiler.times(), profiler.steps());
  return done;
}

void BenchRun::cancelAll() {
  for (RequestId id : requests)
    engine.cancel(id);
  engine.runUntilIdle();
  requests.clear();
}

/// Requests one after another, or all at once, from nothing to their end.
Result<void> runWhole(const BenchRunOptions &options, BenchRun &run, const BenchTest &test) {
  // A prompt ends with the choice of the token after it, as for a user.
  int32_t prompt = std::max(test.prompt, 1), output = std::max(test.generated, 1);
  auto once = [&](int32_t sequences, int32_t length) -> Result<void> {
    for (int32_t i = 0; i < sequences; ++i)
      if (auto submitted = run.submit(prompt, length); !submitted)
        return submitted;
    return run.stepUntil([] { return false; });
  };
  Result<void> done = once(std::min(test.sequences, 64), std::min(output, 8)); // warms up
  for (int32_t i = 0; done && i < options.repetitions; ++i)
    done = run.measure([&] { return once(test.sequences, output); });
  if (done && options.kernels)
    done = run.profile([&] { return once(test.sequences, output); });
  return done;
}

/// Windows of `generated` steps, begun when every sequence is decoding. The prompt is so much shorter that the context
/// is what was asked for halfway through the windows.
Result<void> runDecode(const BenchRunOptions &options, BenchRun &run, const BenchTest &test) {
  int64_t measured = int64_t{options.repetitions} * test.generated;
  auto prompt = static_cast<int32_t>(std::max<int64_t>(test.prompt - measured / 2, 1));
  for (int32_t i = 0; i < test.sequences; ++i)
    if (auto submitted = run.submit(prompt, INT32_MAX); !submitted)
      return submitted;
  auto window = [&] {
    int64_t end = run.tokens + int64_t{test.sequences} * test.generated;
    return run.stepUntil([&run, end] { return run.tokens >= end; });
  };
  Result<void> done = run.stepUntil([&] { return run.started == test.sequences; });
  for (int32_t i = 0; done && i < options.repetitions; ++i)
    done = run.measure(window);
  if (done && options.kernels)
    done = run.profile(window);
  run.cancelAll();
  return done;
}

} // namespace

Result<void> runBenchTest(const BenchRunOptions &options, Executor &executor, Profiler &profiler, BenchTest &test) {
  int32_t most = executor.limits().maxSeqs;
  if (test.kind == BenchTest::Kind::Decode && test.sequences > most)
    return fail(test.name() + ": " + std::to_string(test.sequences) + " sequences at once, a step has " +
                std::to_string(most) + " at most");
  BenchRun run(options, executor, profiler, test);
  Result<void> done =
      test.kind == BenchTest::Kind::Decode ? runDecode(options, run, test) : runWhole(options, run, test);
  if (!done)
    return failOf(test.name(), done.error());
  return {};
}

Result<void> makeOneToken(Executor &executor) {
  Engine engine(executor, benchOptions());
  Request request;
  request.prompt = {0};
  request.maxTokens = 1;
  request.ignoreEos = true;
  return runAlone(engine, std::move(request));
}

} // namespace sinter::rt
