// SPDX-License-Identifier: Apache-2.0
// The load rises and falls, so that steps of every size occur.
#include "runtime/cli/Soak.h"
#include "runtime/cli/RandomRequests.h"
#include "runtime/cli/RunAlone.h"
#include "runtime/support/Format.h"
#include "runtime/support/ProgressBar.h"

namespace sinter::rt {
namespace {

class Soak {
public:
  Soak(const SoakOptions &options, Executor &executor)
      : limits(executor.limits()), engine(executor), random(options.seed),
        longest(std::max(std::min(engine.maxLength() / 2, 512), 1)) {}

  Result<void> step();
  /// Ends all requests: nothing may be left of them.
  Result<void> drain();
  EngineStats stats() const { return engine.stats(); }

private:
  bool once(uint32_t in) { return random() % in == 0; }
  Request makeRequest();
  void vary(SamplingParams &sampling);
  Result<void> submit();

  const ExecutorLimits &limits;
  Engine engine;
  std::mt19937 random;
  int32_t longest; ///< of prompts, and of answers
  size_t wanted = 1;
  std::vector<RequestId> present;
  std::string error;
};

void Soak::vary(SamplingParams &sampling) {
  if (once(3)) {
    sampling.temperature = 0.9f;
    sampling.topK = once(2) ? 40 : 0;
    sampling.topP = once(2) ? 0.9f : 1;
    sampling.minP = once(4) ? 0.05f : 0;
  }
  if (once(10))
    sampling.repetitionPenalty = 1.2f;
  if (once(10))
    sampling.frequencyPenalty = 0.5f;
  if (once(20))
    sampling.logitBias = {{0, -2.0f}};
  if (once(40))
    sampling.logprobs = 3;
}

Request Soak::makeRequest() {
  Request request = randomRequest(random, limits.vocabSize, longest, longest);
  if (once(3)) // a prefix that others have too
    std::fill_n(request.prompt.begin(), request.prompt.size() - 1, static_cast<int32_t>(random() % 2));
  vary(request.sampling);
  if (once(20))
    request.maxChunk = 1 + static_cast<int32_t>(random() % 16);
  if (once(40)) {
    request.logitsFrom = static_cast<int32_t>(request.prompt.size()) - 1;
    request.onLogits = [](int32_t, std::span<const float>) {};
  }
  request.onFinish = [this](const Completion &done) {
    std::erase(present, done.id);
    if (!done.error.empty())
      error = "request " + std::to_string(done.id) + ": " + done.error;
  };
  return request;
}

Result<void> Soak::submit() {
  Result<RequestId> id = engine.submit(makeRequest());
  if (!id)
    return tl::unexpected(id.error());
  present.push_back(*id);
  return {};
}

Result<void> Soak::step() {
  if (once(100)) { // now and then, how many requests there are to be: few or many, at times more than fit
    int32_t most = std::min(limits.maxSeqs * 3 / 2, 96);
    wanted = once(2) ? 1 + random() % static_cast<size_t>(most) : static_cast<size_t>(randomLength(random, most));
  }
  for (size_t more = 1 + random() % 4; more > 0 && present.size() < wanted; --more)
    if (Result<void> sent = submit(); !sent)
      return sent;
  if (once(30) && !present.empty())
    engine.cancel(present[random() % present.size()]);
  engine.step();
  return error.empty() ? engine.checkIntegrity() : fail(error);
}

Result<void> Soak::drain() {
  for (RequestId id : std::vector<RequestId>(present))
    engine.cancel(id);
  engine.runUntilIdle();
  if (Result<void> intact = engine.checkIntegrity(); !intact)
    return intact;
  if (EngineStats left = engine.stats(); left.blocksUsed > 0)
    return fail(std::to_string(left.blocksUsed) + " blocks of the KV cache are still in use after the last request");
  return {};
}

/// The logits of a fixed prompt.
Result<std::vector<float>> probe(Executor &executor) {
  Engine engine(executor);
  Request request;
  for (int32_t i = 0; i < std::min(engine.maxLength(), 40); ++i)
    request.prompt.push_back(i * 37 % executor.limits().vocabSize);
  request.maxTokens = 0;
  std::vector<float> logits;
  request.onLogits = [&logits](int32_t, std::span<const float> row) {
    logits.insert(logits.end(), row.begin(), row.end());
  };
  if (Result<void> ran = runAlone(engine, std::move(request)); !ran)
    return tl::unexpected(ran.error());
  return logits;
}

/// Memory in use when steps have no reason to take more: what they have not needed yet is built.
Result<void> lookEarly(Profiler &profiler, SoakReport &report) {
  Result<int64_t> graphs = profiler.buildGraphs();
  if (!graphs)
    return tl::unexpected(graphs.error());
  report.graphs = *graphs;
  Result<uint64_t> used = profiler.usedBytes();
  if (!used)
    return tl::unexpected(used.error());
  report.usedEarly = *used;
  return {};
}

Result<void> runSteps(const SoakOptions &options, Executor &executor, Profiler &profiler, SoakReport &report) {
  Soak soak(options, executor);
  ProgressBar progress("soaking", static_cast<uint64_t>(options.steps));
  for (int32_t step = 0; step < options.steps; ++step) {
    if (Result<void> done = soak.step(); !done)
      return fail("step " + std::to_string(step) + ": " + done.error().message);
    progress.advance(1);
    if (step == options.steps / 10)
      if (Result<void> looked = lookEarly(profiler, report); !looked)
        return looked;
  }
  Result<void> drained = soak.drain();
  report.stats = soak.stats();
  return drained;
}

} // namespace

Result<SoakReport> soak(const SoakOptions &options, Executor &executor, Profiler &profiler) {
  SoakReport report;
  Result<std::vector<float>> before = probe(executor);
  if (!before)
    return tl::unexpected(before.error());
  if (Result<void> ran = runSteps(options, executor, profiler, report); !ran)
    return tl::unexpected(ran.error());
  Result<uint64_t> used = profiler.usedBytes();
  if (!used)
    return tl::unexpected(used.error());
  report.usedLate = *used;
  if (report.usedLate > report.usedEarly + soakGrowthAllowed)
    return fail("memory in use grew from " + formatBytes(report.usedEarly) + " to " + formatBytes(report.usedLate));
  Result<std::vector<float>> after = probe(executor);
  if (!after)
    return tl::unexpected(after.error());
  if (*after != *before)
    return fail("the logits of a fixed prompt are other ones afterwards");
  return report;
}

} // namespace sinter::rt
