// SPDX-License-Identifier: Apache-2.0
// The serving loop: requests go in at any time, step() moves all of them on by one step, callbacks bring the tokens.
//
// On a device that can, two steps are in flight: while the device computes one, the engine delivers the tokens of the
// one before and schedules the one after, in which the tokens that are being computed stand as references to the rows
// that choose them. So stop conditions are seen one step late: what a request computes beyond its end is dropped. A
// request whose tokens or logits the host must see first (penalties, logit bias, log-probabilities, onLogits) has the
// engine finish its step before the next is scheduled.
//
// One thread owns an engine; there is no global state and no lock. A server's loop takes commands from its queue, calls
// step(), and sleeps when idle().
#pragma once
#include "runtime/device/Executor.h"
#include "runtime/engine/Batch.h"
#include "runtime/engine/Logprobs.h"
#include "runtime/engine/Scheduler.h"
#include <array>
#include <map>

namespace sinter::rt {

struct EngineOptions {
  std::vector<int32_t> eosTokens; ///< end every request that does not ignore them
  bool sharePrefixes = true;
  uint64_t seed = 0;         ///< where requests without a seed draw theirs from
  int32_t maxStepTokens = 0; ///< below the executor's limit, 0: that limit; the same for maxSeqs
  int32_t maxSeqs = 0;
};

/// Counters since the start, and gauges of now.
struct EngineStats {
  int64_t steps = 0, computedTokens = 0, generatedTokens = 0;
  int64_t submitted = 0;
  std::array<int64_t, kNumFinishReasons> finished{}; ///< by FinishReason
  int64_t preemptions = 0, prefixHitTokens = 0, evictedBlocks = 0;
  int32_t running = 0, waiting = 0;
  int32_t blocksUsed = 0, blocksCached = 0, blocksFree = 0, blocksTotal = 0;
  /// Time in step() while a step was in flight, from the call of Executor::start() to the end of that of finish(), and
  /// the rest: host work that the device had to wait for. Two may be in flight, and the device may be done with both
  /// before the host asks: what it waited in all is known to it alone (Profiler::busySeconds).
  double executorSeconds = 0, hostSeconds = 0;
};

class Engine {
public:
  explicit Engine(Executor &executor, EngineOptions options = {});
  Engine(const Engine &) = delete;
  ~Engine();

  /// Queues a request; an error when it is malformed or could never run. Its callbacks come from later step()s.
  Result<RequestId> submit(Request request);
  /// Ends a request with FinishReason::Cancelled, at once or, from within a callback, at the end of the step. False
  /// when it is not there any more.
  bool cancel(RequestId id);
  /// Finishes one step, having scheduled and started it and, where the executor has room, the one after it; false when
  /// there was nothing to do.
  bool step();
  void runUntilIdle();
  bool idle() const { return sequences.empty(); }

  EngineStats stats() const;
  /// Prompt and output together can be this long: by the model, and by the blocks there are.
  int32_t maxLength() const { return lengthLimit; }
  /// All invariants of scheduler and blocks.
  Result<void> checkIntegrity() const { return scheduler.checkIntegrity(); }

private:
  /// A step that is started and not finished.
  struct InFlight {
    std::vector<Slice> slices;
    bool awaited = false; ///< the host needs what comes of it before it can schedule the next
  };

  Result<void> check(const Request &request) const;
  bool hasRoom() const;
  Result<bool> startNext();
  bool fillRows(const std::vector<Slice> &slices);
  Result<void> finishOldest();
  const InFlight &land();
  void charge();
  void handleSlice(const Slice &slice, const StepResult &result);
  void deliverLogits(Sequence &sequence, const Slice &slice, std::span<const float> logits);
  void appendToken(Sequence &sequence, int32_t token, std::span<const float> logits);
  FinishReason endAfter(const Sequence &sequence, int32_t token) const;
  void finish(Sequence &sequence, FinishReason reason);
  void finishWithError(Sequence &sequence, std::string error);
  void failAll(const Error &error);
  std::span<const float> logitsOf(const StepResult &result, int32_t row, int32_t count) const;
  void reap();

  Executor &executor;
  EngineOptions options;
  int32_t lengthLimit;
  BlockManager blocks;
  Scheduler scheduler;
  Batch batch;
  std::vector<SampleRow> rows;     ///< of a step, reused
  std::array<InFlight, 2> flights; ///< oldest first
  int32_t numFlights = 0;
  LogprobReporter reporter;
  std::map<RequestId, std::unique_ptr<Sequence>> sequences; ///< not finished, or with steps in flight
  std::vector<RequestId> ended; ///< finished or to be cancelled, each once; reaped after the step
  RequestId nextId = 1;
  bool stepping = false;
  Sequence::Clock::time_point charged; ///< until when the time in step() is counted
  EngineStats counters;
};

} // namespace sinter::rt
