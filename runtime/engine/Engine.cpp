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

double secondsSince(Sequence::Clock::time_point start) {
  return std::chrono::duration<double>(Sequence::Clock::now() - start).count();
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

Result<void> Engine::check(const Request &request) const {
  const ExecutorLimits &limits = executor.limits();
  if (request.prompt.empty())
    return fail("the prompt is empty, expected at least one token");
  for (size_t i = 0; i < request.prompt.size(); ++i)
    if (int32_t token = request.prompt[i]; token < 0 || token >= limits.vocabSize)
      return fail("token " + std::to_string(i) + " of the prompt is " + std::to_string(token) + ", expected 0 to " +
                  std::to_string(limits.vocabSize - 1));
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
  auto start = Sequence::Clock::now();
  const std::vector<Slice> &slices = scheduler.schedule();
  for (const Slice &slice : slices)
    if (!std::exchange(slice.sequence->scheduledBefore, true))
      slice.sequence->firstScheduled = start;
  const Step &flat = batch.build(slices, blocks.blockTokens());
  auto launched = Sequence::Clock::now();
  const float *logits = executor.run(flat).data();
  double ran = secondsSince(launched);

  ++counters.steps;
  counters.computedTokens += flat.numTokens;
  for (const Slice &slice : slices)
    scheduler.advance(slice);
  for (const Slice &slice : slices) {
    handleSlice(slice, logits);
    logits += static_cast<size_t>(slice.logits) * executor.limits().vocabSize;
  }
  stepping = false;
  reap();
  counters.executorSeconds += ran;
  counters.hostSeconds += secondsSince(start) - ran;
  return true;
}

void Engine::runUntilIdle() {
  while (step()) {
  }
}

/// What the step means for one sequence: its rows of logits start at `logits`.
void Engine::handleSlice(const Slice &slice, const float *logits) {
  Sequence &sequence = *slice.sequence;
  if (sequence.wantsAllLogits())
    deliverLogits(sequence, slice, logits);
  if (sequence.cancelRequested || sequence.remaining() > 0)
    return;
  if (sequence.request.maxTokens == 0)
    return finish(sequence, FinishReason::Length);
  size_t vocab = executor.limits().vocabSize;
  sampleNext(sequence, {logits + (slice.logits - 1) * vocab, vocab});
}

void Engine::deliverLogits(Sequence &sequence, const Slice &slice, const float *logits) {
  size_t vocab = executor.limits().vocabSize;
  for (int32_t i = 0; i < slice.logits && !sequence.cancelRequested; ++i) {
    int32_t position = slice.start + slice.count - slice.logits + i;
    sequence.logitsDelivered = position + 1;
    sequence.request.onLogits(position, {logits + i * vocab, vocab});
  }
}

void Engine::sampleNext(Sequence &sequence, std::span<const float> logits) {
  auto sample = sampler.sample({logits, sequence.request.sampling, sequence.history, sequence.seed,
                                static_cast<uint64_t>(sequence.numOutput())});
  if (!sample) {
    sequence.completion.error = sample.error().message;
    return finish(sequence, FinishReason::Error);
  }
  ++counters.generatedTokens;
  const TokenLogprobs *logprobs = sample->logprobs ? &*sample->logprobs : nullptr;
  FinishReason reason = sequence.append(sample->token, logprobs, endAfter(sequence, sample->token));
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

/// Cancels what callbacks or the caller asked for and forgets what is finished. Callbacks of the former may cancel
/// more.
void Engine::reap() {
  bool outer = std::exchange(stepping, true);
  for (size_t i = 0; i < ended.size(); ++i) {
    auto found = sequences.find(ended[i]);
    if (found->second->state != SequenceState::Finished)
      finish(*found->second, FinishReason::Cancelled);
    sequences.erase(found);
  }
  ended.clear();
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
