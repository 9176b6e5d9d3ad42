// SPDX-License-Identifier: Apache-2.0
// Decides, before every step, which sequences compute how many tokens.
//
// Iteration-level scheduling (Orca, OSDI 2022) with chunked prefill (Sarathi-Serve, arXiv 2403.02310) over a paged KV
// cache (vLLM, arXiv 2309.06180). A step is filled in this order, each in order of arrival:
//   1. a token of every sequence that decodes; when a block is missing, the youngest running sequence is preempted: it
//   gives
//      up its blocks, goes back to the head of the queue and is computed again later (its prefix often still cached)
//   2. the next chunks of prompts that are already running
//   3. sequences from the head of the queue, as long as all their known tokens find blocks and one is left for every
//   running
//      sequence, so that letting them in does not preempt somebody at once; never in a step that preempted
// A step may be scheduled while the one before it runs. A sequence that decodes then computes a token that nobody knows
// yet; what happens to its blocks waits: they are taken from it, and given to others, when no step in flight uses them.
//
// Nobody overtakes in the queue, and every running sequence is older than every waiting one. The oldest always gets its
// block, so each step makes progress and each request ends.
#pragma once
#include "runtime/engine/BlockManager.h"
#include "runtime/engine/Sequence.h"
#include <deque>

namespace sinter::rt {

struct SchedulerLimits {
  int32_t maxStepTokens, maxSeqs, maxStepLogits;
};

/// A sequence's part of a step: tokens [start, start + count), logits wanted of the last `logits` of them.
struct Slice {
  Sequence *sequence;
  int32_t start, count, logits;
  int32_t row;  ///< of the step's rows of logits, the first of these
  bool samples; ///< the last of these chooses the next token

  int32_t lastRow() const { return row + logits - 1; }
};

class Scheduler {
public:
  Scheduler(const SchedulerLimits &limits, BlockManager &blocks);

  /// Puts a sequence at the end of the queue. Ids must ascend; it must fit into the pool when alone.
  void add(Sequence &sequence);
  /// Takes a sequence out, wherever it is, and frees its blocks, once the steps in flight that use them are finished.
  void remove(Sequence &sequence);
  /// The next step, valid until the next call. Empty when nothing can be computed, or when a sequence must be preempted
  /// while a step is in flight: finish that one first.
  const std::vector<Slice> &schedule(bool inFlight = false);
  /// The step with this slice is started. Steps run in order, so that later ones may read what it writes.
  void advance(const Slice &slice);
  /// It is finished.
  void land(const Slice &slice);

  int32_t numRunning() const { return static_cast<int32_t>(running.size()); }
  int32_t numWaiting() const { return static_cast<int32_t>(waiting.size()); }
  int64_t numPreemptions() const { return preemptions; }
  int64_t prefixHitTokens() const { return hitTokens; }

  /// Order, states, limits, and the block manager's own invariants against all tables.
  Result<void> checkIntegrity() const;

private:
  bool scheduleDecodes(bool mayPreempt);
  void schedulePrefills();
  void admitWaiting();
  bool admit(Sequence &sequence);
  bool addSlice(Sequence &sequence);
  void preempt(Sequence &sequence);
  void publish(Sequence &sequence);

  SchedulerLimits limits;
  BlockManager &blocks;
  std::vector<Sequence *> running;  ///< ids ascending
  std::deque<Sequence *> waiting;   ///< ids ascending, all above those of `running`
  std::vector<Sequence *> retiring; ///< taken out while steps in flight use their blocks
  std::vector<Slice> slices;
  int32_t tokenBudget = 0, logitBudget = 0;
  bool preempted = false; ///< in this step
  int64_t preemptions = 0, hitTokens = 0;
};

} // namespace sinter::rt
