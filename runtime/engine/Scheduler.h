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
  bool samples; ///< the last of its rows of logits chooses the next token
};

class Scheduler {
public:
  Scheduler(const SchedulerLimits &limits, BlockManager &blocks);

  /// Puts a sequence at the end of the queue. Ids must ascend; it must fit into the pool when alone.
  void add(Sequence &sequence);
  /// Takes a sequence out, wherever it is, and frees its blocks.
  void remove(Sequence &sequence);
  /// The next step, valid until the next call. Empty only when nothing is running or waiting.
  const std::vector<Slice> &schedule();
  /// The step with this slice has run.
  void advance(const Slice &slice);

  int32_t numRunning() const { return static_cast<int32_t>(running.size()); }
  int32_t numWaiting() const { return static_cast<int32_t>(waiting.size()); }
  int64_t numPreemptions() const { return preemptions; }
  int64_t prefixHitTokens() const { return hitTokens; }

  /// Order, states, limits, and the block manager's own invariants against all tables.
  Result<void> checkIntegrity() const;

private:
  void scheduleDecodes();
  void schedulePrefills();
  void admitWaiting();
  bool admit(Sequence &sequence);
  bool addSlice(Sequence &sequence);
  void preempt(Sequence &sequence);

  SchedulerLimits limits;
  BlockManager &blocks;
  std::vector<Sequence *> running; ///< ids ascending
  std::deque<Sequence *> waiting;  ///< ids ascending, all above those of `running`
  std::vector<Slice> slices;
  int32_t tokenBudget = 0, logitBudget = 0;
  bool preempted = false; ///< in this step
  int64_t preemptions = 0, hitTokens = 0;
};

} // namespace sinter::rt
