// SPDX-License-Identifier: Apache-2.0
// Fills steps: decodes, running prefills, new sequences; preempts when blocks run out.
#include "runtime/engine/Scheduler.h"
#include <algorithm>
#include <cassert>

namespace sinter::rt {

// Every running sequence may decode in the same step, so no more of them run than a step has tokens and rows of logits.
Scheduler::Scheduler(const SchedulerLimits &theLimits, BlockManager &blocks) : limits(theLimits), blocks(blocks) {
  limits.maxSeqs = std::min({limits.maxSeqs, limits.maxStepTokens, limits.maxStepLogits});
  assert(limits.maxSeqs > 0 && "a step has room for a sequence");
}

void Scheduler::add(Sequence &sequence) {
  assert((waiting.empty() || waiting.back()->id < sequence.id) && "sequences arrive in order of their ids");
  assert(blocks.blocksFor(sequence.maxLength) <= blocks.numBlocks() && "a sequence fits into the pool");
  waiting.push_back(&sequence);
}

void Scheduler::remove(Sequence &sequence) {
  std::erase(running, &sequence);
  std::erase(waiting, &sequence);
  if (sequence.numInFlight > 0)
    retiring.push_back(&sequence);
  else
    blocks.release(sequence.table);
}

const std::vector<Slice> &Scheduler::schedule(bool inFlight) {
  slices.clear();
  tokenBudget = limits.maxStepTokens;
  logitBudget = limits.maxStepLogits;
  preempted = false;
  if (!scheduleDecodes(!inFlight)) {
    slices.clear();
    return slices;
  }
  schedulePrefills();
  if (!preempted)
    admitWaiting();
  assert((!slices.empty() || inFlight || (running.empty() && waiting.empty())) && "a step makes progress");
  return slices;
}

/// False when somebody must be preempted and may not.
bool Scheduler::scheduleDecodes(bool mayPreempt) {
  for (size_t i = 0; i < running.size(); ++i) {
    Sequence &sequence = *running[i];
    if (sequence.remaining() != 1 || sequence.endsWhenKnown())
      continue;
    // The youngest is behind in this loop, or it is this one: nothing that is scheduled already is taken back.
    while (!blocks.reserve(sequence.table, sequence.plannedLength())) {
      if (!mayPreempt)
        return false;
      preempt(*running.back());
      if (i == running.size())
        return true;
    }
    addSlice(sequence);
  }
  return true;
}

void Scheduler::schedulePrefills() {
  for (Sequence *sequence : running)
    if (sequence->remaining() > 1)
      addSlice(*sequence);
}

void Scheduler::admitWaiting() {
  while (!waiting.empty() && numRunning() < limits.maxSeqs && tokenBudget > 0) {
    Sequence &sequence = *waiting.front();
    if (!admit(sequence))
      return;
    waiting.pop_front();
    running.push_back(&sequence);
    sequence.state = SequenceState::Running;
    addSlice(sequence);
  }
}

bool Scheduler::admit(Sequence &sequence) {
  int32_t cached = sequence.wantsAllLogits() ? 0 : blocks.attach(sequence.table, sequence.tokens);
  int32_t missing = blocks.blocksFor(sequence.length()) - static_cast<int32_t>(sequence.table.blocks.size());
  if (missing + numRunning() > blocks.numAvailable()) {
    blocks.release(sequence.table);
    return false;
  }
  bool reserved = blocks.reserve(sequence.table, sequence.length());
  assert(reserved && "enough blocks were counted");
  (void)reserved;
  sequence.numComputed = cached;
  if (sequence.state == SequenceState::Waiting)
    sequence.completion.cachedTokens = cached;
  hitTokens += cached;
  return true;
}

/// As much of the sequence as the budgets allow; false when that is nothing.
bool Scheduler::addSlice(Sequence &sequence) {
  int32_t start = sequence.numComputed, count = std::min(sequence.remaining(), tokenBudget), logits = 0;
  if (sequence.request.maxChunk > 0)
    count = std::min(count, sequence.chunkAt(start));
  if (sequence.wantsAllLogits()) {
    int32_t firstWanted = std::max(start, sequence.nextLogits);
    count = std::min(count, firstWanted - start + logitBudget);
    logits = std::max(0, start + count - firstWanted);
  } else if (start + count == sequence.plannedLength() && sequence.request.maxTokens > 0) {
    logits = std::min(1, logitBudget);
    count -= 1 - logits;
  }
  if (count <= 0)
    return false;
  bool samples = start + count == sequence.plannedLength() && sequence.request.maxTokens > 0;
  slices.push_back({&sequence, start, count, logits, limits.maxStepLogits - logitBudget, samples});
  tokenBudget -= count;
  logitBudget -= logits;
  return true;
}

void Scheduler::preempt(Sequence &sequence) {
  assert(running.back() == &sequence && numRunning() > 1 && "the youngest makes room for an older one");
  assert(sequence.numInFlight == 0 && "its tokens are known and nobody uses its blocks");
  running.pop_back();
  waiting.push_front(&sequence);
  blocks.release(sequence.table);
  sequence.numComputed = 0;
  sequence.state = SequenceState::Preempted;
  ++sequence.completion.preemptions;
  ++preemptions;
  preempted = true;
}

void Scheduler::advance(const Slice &slice) {
  Sequence &sequence = *slice.sequence;
  assert(sequence.numComputed == slice.start && "a step starts once");
  sequence.numComputed += slice.count;
  ++sequence.numInFlight;
  if (slice.samples) {
    ++sequence.numPending;
    sequence.pendingRow = slice.lastRow();
  }
  publish(sequence);
}

void Scheduler::land(const Slice &slice) {
  Sequence &sequence = *slice.sequence;
  --sequence.numInFlight;
  sequence.numPending -= slice.samples;
  if (sequence.state == SequenceState::Running) {
    publish(sequence);
  } else if (sequence.numInFlight == 0) {
    std::erase(retiring, &sequence);
    blocks.release(sequence.table);
  }
}

/// Pending tokens are in the cache, but cannot be found in it before they are known.
void Scheduler::publish(Sequence &sequence) {
  blocks.publish(sequence.table, sequence.tokens, std::min(sequence.numComputed, sequence.length()));
}

Result<void> Scheduler::checkIntegrity() const {
  std::vector<const BlockTable *> tables;
  RequestId previous = 0;
  auto visit = [&](const Sequence &sequence, bool runs) -> Result<void> {
    std::string who = "sequence " + std::to_string(sequence.id);
    if (sequence.id <= previous)
      return fail(who + " comes after sequence " + std::to_string(previous));
    previous = sequence.id;
    if (runs != (sequence.state == SequenceState::Running) || sequence.state == SequenceState::Finished)
      return fail(who + " is in the wrong state");
    int32_t capacity = static_cast<int32_t>(sequence.table.blocks.size()) * blocks.blockTokens();
    if (sequence.numComputed > capacity || (!runs && capacity > 0))
      return fail(who + " has " + std::to_string(sequence.numComputed) + " tokens in " + std::to_string(capacity));
    if (sequence.remaining() < (sequence.numInFlight > 0 ? 0 : 1) || sequence.plannedLength() > sequence.maxLength)
      return fail(who + " has computed " + std::to_string(sequence.numComputed) + " of " +
                  std::to_string(sequence.plannedLength()) + " tokens");
    if (sequence.numPending > sequence.numInFlight || (!runs && sequence.numInFlight > 0))
      return fail(who + " is part of " + std::to_string(sequence.numInFlight) + " steps that choose " +
                  std::to_string(sequence.numPending) + " tokens");
    tables.push_back(&sequence.table);
    return {};
  };
  for (const Sequence *sequence : running)
    if (auto result = visit(*sequence, true); !result)
      return result;
  for (const Sequence *sequence : waiting)
    if (auto result = visit(*sequence, false); !result)
      return result;
  for (const Sequence *sequence : retiring) {
    if (sequence->numInFlight == 0)
      return fail("sequence " + std::to_string(sequence->id) + " keeps blocks that no step uses");
    tables.push_back(&sequence->table);
  }
  if (numRunning() > limits.maxSeqs)
    return fail(std::to_string(running.size()) + " sequences run, at most " + std::to_string(limits.maxSeqs));
  return blocks.checkIntegrity(tables);
}

} // namespace sinter::rt
