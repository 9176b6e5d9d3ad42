// SPDX-License-Identifier: Apache-2.0
// The serving loop.
#include "runtime/engine/Engine.h"
#include "runtime/engine/Philox.h"
#include <algorithm>
#include <cassert>

namespace sinter::rt {

namespace {

int32_t atMost(int32_t wanted, int32_t limit) { return wanted > 0 ? std::min(wanted, limit) : limit; }

int32_t longestSequence(const ExecutorLimits &limits) {
  return static_cast<int32_t>(std::min<int64_t>(limits.maxSeqLen, int64_t{limits.numKvBlocks} * limits.kvBlockTokens));
}

bool contains(const std::vector<int32_t> &tokens, int32_t token) {
  return std::ranges::find(tokens, token) != tokens.end();
}

} // namespace

Engine::Engine(Executor &executor, EngineOptions theOptions)
    : executor(executor), options(std::move(theOptions)), lengthLimit(longestSequence(executor.limits())),
      blocks(executor.limits().numKvBlocks, executor.limits().kvBlockTokens, options.sharePrefixes),
      scheduler({atMost(options.maxStepTokens, executor.limits().maxStepTokens),
                 atMost(options.maxSeqs, executor.limits().maxSeqs), executor.limits().maxStepLogits},
                blocks) {}

Engine::~Engine() {
  for (; numFlights > 0; --numFlights)
    executor.finish();
}

Result<void> Engine::check(const Request &request) const {
  const ExecutorLimits &limits = executor.limits();
  if (request.prompt.empty())
    return fail("the prompt is empty, expected at least one token");
  for (size_t i = 0; i < request.prompt.size(); ++i)
    if (int32_t token = request.prompt[i]; token < 0 || token >= limits.vocabSize)
      return fail("token " + std::to_string(i) + " of the prompt is " + std::to_string(token) + ", expected 0 to " +
                  std::to_string(limits.vocabSize - 1));
  if (request.logitsFrom < 0 || static_cast<size_t>(request.logitsFrom) >= request.prompt.size())
    return fail("logits are wanted from position " + std::to_string(request.logitsFrom) + ", the prompt has " +
                std::to_string(request.prompt.size()) + " tokens");
  if (request.maxTokens < 0)
    return fail("max-tokens is " + std::to_string(request.maxTokens) + ", expected 0 or more");
  if (request.prompt.size() + std::min(request.maxTokens, 1) > static_cast<size_t>(lengthLimit))
    return fail("the prompt has " + std::to_string(request.prompt.size()) +
                " tokens, prompt and output together can be " + std::to_string(lengthLimit) +
                ": sequences are limited to " + std::to_string(limits.maxSeqLen) + ", the KV cache to " +
                std::to_string(limits.numKvBlocks) + " blocks of " + std::to_string(limits.kvBlockTokens));
  if (!request.stopStrings.empty() && !request.decoder)
    return fail("stop strings need a tokenizer, and this model has none");
  if (std::ranges::any_of(request.stopStrings, &std::string::empty))
    return fail("a stop string is empty");
  return validate(request.sampling, limits.vocabSize);
}

Result<RequestId> Engine::submit(Request request) {
  if (auto valid = check(request); !valid)
    return tl::unexpected(valid.error());
  RequestId id = nextId++;
  auto drawn = philox({static_cast<uint32_t>(id), static_cast<uint32_t>(id >> 32), 1, 0},
                      {static_cast<uint32_t>(options.seed), static_cast<uint32_t>(options.seed >> 32)});
  uint64_t seed = request.sampling.seed.value_or(uint64_t{drawn[1]} << 32 | drawn[0]);
  auto sequence = std::make_unique<Sequence>(id, std::move(request), lengthLimit, seed);
  scheduler.add(*sequence);
  sequences.emplace(id, std::move(sequence));
  ++counters.submitted;
  return id;
}

bool Engine::cancel(RequestId id) {
  auto found = sequences.find(id);
  if (found == sequences.end() || found->second->state == SequenceState::Finished)
    return false;
  if (!std::exchange(found->second->cancelRequested, true))
    ended.push_back(id);
  if (!stepping)
    reap();
  return true;
}

bool Engine::step() {
  assert(!stepping && "step() is not called from its own callbacks");
  if (idle())
    return false;
  stepping = true;
  charged = Sequence::Clock::now();
  Result<bool> started = true;
  while (started && *started && hasRoom())
    started = startNext();
  Result<void> ran = started ? finishOldest() : tl::unexpected(started.error());
  if (!ran)
    failAll(ran.error());
  stepping = false;
  reap();
  charge();
  return true;
}

bool Engine::hasRoom() const {
  if (numFlights == 0)
    return true;
  return numFlights < std::min<int32_t>(executor.depth(), flights.size()) && !flights[numFlights - 1].awaited;
}

/// False when there is nothing to start before a step in flight is finished.
Result<bool> Engine::startNext() {
  const std::vector<Slice> &slices = scheduler.schedule(numFlights > 0);
  if (slices.empty())
    return false;
  InFlight &flight = flights[numFlights];
  flight.slices = slices;
  flight.awaited = false;
  for (const Slice &slice : slices) {
    flight.awaited |= slice.logits > 0 && slice.sequence->needsHost();
    if (!std::exchange(slice.sequence->scheduledBefore, true))
      slice.sequence->firstScheduled = charged;
  }
  const Step &step = batch.build(slices, blocks.blockTokens());
  bool wantLogits = fillRows(slices);
  charge();
  if (auto started = executor.start(step, rows, wantLogits); !started)
    return tl::unexpected(started.error());
  ++numFlights;
  ++counters.steps;
  counters.computedTokens += step.numTokens;
  for (const Slice &slice : slices)
    scheduler.advance(slice);
  return true;
}

/// Says for every row of logits how its token is chosen; true when somebody wants the logits themselves.
bool Engine::fillRows(const std::vector<Slice> &slices) {
  bool wantLogits = false;
  rows.clear();
  for (const Slice &slice : slices) {
    const Sequence &sequence = *slice.sequence;
    rows.resize(rows.size() + slice.logits);
    if (slice.samples)
      rows.back() = {&sequence.request.sampling, &sequence.history, sequence.seed,
                     static_cast<uint64_t>(sequence.numOutput() + sequence.numPending)};
    wantLogits |= slice.logits > 0 && sequence.wantsLogits();
  }
  return wantLogits;
}

Result<void> Engine::finishOldest() {
  Result<StepResult> result = executor.finish();
  const InFlight &landed = land();
  if (!result)
    return tl::unexpected(result.error());
  for (const Slice &slice : landed.slices)
    handleSlice(slice, *result);
  return {};
}

/// The oldest step is finished. Valid until the next is started.
const Engine::InFlight &Engine::land() {
  charge();
  std::swap(flights[0], flights[1]);
  --numFlights;
  for (const Slice &slice : flights[1].slices)
    scheduler.land(slice);
  return flights[1];
}

/// Counts the time since the last call for the device, if it had something to run, or for the host.
void Engine::charge() {
  auto now = Sequence::Clock::now();
  (numFlights > 0 ? counters.executorSeconds : counters.hostSeconds) +=
      std::chrono::duration<double>(now - std::exchange(charged, now)).count();
}

void Engine::runUntilIdle() {
  while (step()) {
  }
}

/// What the step means for one sequence: nothing if it has ended while the step ran.
void Engine::handleSlice(const Slice &slice, const StepResult &result) {
  Sequence &sequence = *slice.sequence;
  if (sequence.state == SequenceState::Finished)
    return;
  if (sequence.wantsAllLogits())
    deliverLogits(sequence, slice, logitsOf(result, slice.row, slice.logits));
  if (sequence.cancelRequested)
    return;
  if (slice.samples)
    appendToken(sequence, result.tokens[slice.lastRow()], logitsOf(result, slice.lastRow(), 1));
  else if (slice.start + slice.count == sequence.length())
    finish(sequence, FinishReason::Length);
}

/// Empty when the step has no logits.
std::span<const float> Engine::logitsOf(const StepResult &result, int32_t row, int32_t count) const {
  size_t vocab = executor.limits().vocabSize;
  return result.logits.empty() ? result.logits : result.logits.subspan(row * vocab, count * vocab);
}

void Engine::deliverLogits(Sequence &sequence, const Slice &slice, std::span<const float> logits) {
  size_t vocab = executor.limits().vocabSize;
  for (int32_t i = 0; i < slice.logits && !sequence.cancelRequested; ++i) {
    int32_t position = slice.start + slice.count - slice.logits + i;
    sequence.nextLogits = position + 1;
    sequence.request.onLogits(position, logits.subspan(i * vocab, vocab));
  }
}

void Engine::appendToken(Sequence &sequence, int32_t token, std::span<const float> logits) {
  std::optional<int32_t> wanted = sequence.request.sampling.logprobs;
  TokenLogprobs logprobs;
  if (wanted || (token < 0 && !logits.empty())) {
    auto report = reporter.report(logits, std::max(token, 0), wanted.value_or(0));
    if (!report)
      return finishWithError(sequence, report.error().message);
    logprobs = std::move(*report);
  }
  if (token < 0)
    return finishWithError(sequence, "no token can be chosen: the model's logits are not finite");
  ++counters.generatedTokens;
  FinishReason reason = sequence.append(token, wanted ? &logprobs : nullptr, endAfter(sequence, token));
  if (reason != FinishReason::None)
    finish(sequence, reason);
}

/// The reason to end with `token`, which is not appended yet.
FinishReason Engine::endAfter(const Sequence &sequence, int32_t token) const {
  const Request &request = sequence.request;
  if (contains(request.stopTokens, token) || (!request.ignoreEos && contains(options.eosTokens, token)))
    return FinishReason::Stop;
  if (sequence.numOutput() + 1 >= request.maxTokens || sequence.length() + 1 >= sequence.maxLength)
    return FinishReason::Length;
  return FinishReason::None;
}

void Engine::finish(Sequence &sequence, FinishReason reason) {
  scheduler.remove(sequence);
  ++counters.finished[static_cast<size_t>(reason)];
  if (!sequence.cancelRequested)
    ended.push_back(sequence.id);
  sequence.finish(reason, Sequence::Clock::now());
}

void Engine::finishWithError(Sequence &sequence, std::string error) {
  sequence.completion.error = std::move(error);
  finish(sequence, FinishReason::Error);
}

/// Ends all requests, but not those that their callbacks submit, and forgets what the device has computed.
void Engine::failAll(const Error &error) {
  while (numFlights > 0) {
    executor.finish();
    land();
  }
  RequestId end = nextId;
  for (auto &[id, sequence] : sequences)
    if (id < end && sequence->state != SequenceState::Finished)
      finishWithError(*sequence, error.message);
  blocks.forgetCached();
}

/// Cancels what callbacks or the caller asked for and forgets what is finished, with no step in flight. Callbacks of
/// the former may cancel more.
void Engine::reap() {
  bool outer = std::exchange(stepping, true);
  for (size_t i = 0; i < ended.size(); ++i)
    if (Sequence &sequence = *sequences.at(ended[i]); sequence.state != SequenceState::Finished)
      finish(sequence, FinishReason::Cancelled);
  std::erase_if(ended, [&](RequestId id) {
    auto found = sequences.find(id);
    if (found->second->numInFlight > 0)
      return false;
    sequences.erase(found);
    return true;
  });
  stepping = outer;
}

EngineStats Engine::stats() const {
  EngineStats stats = counters;
  stats.preemptions = scheduler.numPreemptions();
  stats.prefixHitTokens = scheduler.prefixHitTokens();
  stats.evictedBlocks = blocks.numEvictions();
  stats.running = scheduler.numRunning();
  stats.waiting = scheduler.numWaiting();
  stats.blocksUsed = blocks.numUsed();
  stats.blocksCached = blocks.numCached();
  stats.blocksFree = blocks.numFree();
  stats.blocksTotal = blocks.numBlocks();
  return stats;
}

} // namespace sinter::rt
