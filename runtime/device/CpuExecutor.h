// SPDX-License-Identifier: Apache-2.0
// Runs the steps of a plan on a team of threads: owns the arena, the KV pools and the logits, resolves every launch's
// buffers once, and then only walks launch lists.
#pragma once
#include "runtime/abi/Plan.h"
#include "runtime/device/Executor.h"
#include "runtime/device/Weights.h"
#include "runtime/engine/Sampler.h"
#include <functional>
#include <memory>

namespace sinter::rt {

/// Nothing, or "built for cpu:x86-64-v4+vnni, this machine lacks avx512_vnni".
Result<void> checkMachine(const Plan &plan);

/// What a launch has cost since profiling began.
struct LaunchTime {
  const Launch *launch;
  double seconds = 0;
  int64_t calls = 0;
  int64_t tokens = 0, logits = 0; ///< T and S of these steps, summed
};

struct CpuExecutorOptions {
  /// For keys and values. 0: enough for one sequence of Plan::maxSeqLen, or 512 MiB where that is more and maxSeqs
  /// sequences can use it. Memory is committed only as blocks are first used.
  uint64_t kvBytes = 0;
};

class CpuExecutor final : public Executor {
public:
  /// Called by worker 0 after a launch, with all its outputs written and the team waiting.
  using Observer = std::function<void(const Launch &, const Args &, const Step &)>;

  /// The weights' size must be what the plan says. Call checkMachine() first.
  static Result<std::unique_ptr<CpuExecutor>> create(const Plan &plan, std::unique_ptr<ThreadPool> pool,
                                                     Weights weights, const CpuExecutorOptions &options = {});

  const ExecutorLimits &limits() const override { return limitsOfPlan; }
  int32_t depth() const override { return 1; }
  /// One dispatch of the team for the whole step, then the choice of tokens: all is done when it returns. The caller
  /// keeps to limits().
  Result<void> start(const Step &step, std::span<const SampleRow> rows, bool wantLogits) override;
  Result<StepResult> finish() override { return result; }

  ThreadPool &team() { return *pool; }
  /// Address space of arena, KV pools and logits; what is resident of it grows with use.
  uint64_t kvBytes() const { return kv.size(); }

  /// Measures every launch from now on (a clock reading after each), from zero.
  void startProfile();
  /// All launches that ran, bucket by bucket, in order of the plan.
  std::vector<LaunchTime> profile() const;
  int64_t profiledSteps() const { return stepsMeasured; }
  void observe(Observer newObserver) { observer = std::move(newObserver); }

private:
  explicit CpuExecutor(const Plan &plan) : plan(plan) {}
  Result<void> allocate(const CpuExecutorOptions &options);
  void resolve();
  std::byte *address(const Arg &arg) const;
  void runLaunches(const Step &step, int32_t bucket, const Worker &worker);

  struct ResolvedBucket {
    std::vector<Args> args;        ///< of each launch, into `pointers`
    std::vector<LaunchTime> times; ///< empty unless profiling
  };

  const Plan &plan;
  ExecutorLimits limitsOfPlan{};
  std::unique_ptr<ThreadPool> pool;
  Weights weights;
  Memory arena, kv, logits;
  uint64_t kvLayerBytes = 0;
  std::vector<void *> pointers; ///< of all launches of all buckets, one after another
  std::vector<ResolvedBucket> buckets;
  Sampler sampler;
  std::vector<int32_t> tokens; ///< that the step has chosen
  StepResult result;
  bool profiling = false;
  int64_t stepsMeasured = 0;
  Observer observer;
};

} // namespace sinter::rt
