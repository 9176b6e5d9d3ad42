// SPDX-License-Identifier: Apache-2.0
// The CPU executor: allocation, resolution of buffers, and the loop over launches.
#include "runtime/device/CpuExecutor.h"
#include "runtime/device/CpuTopology.h"
#include "runtime/device/HostChoice.h"
#include "runtime/support/Clock.h"
#include "runtime/support/Format.h"
#include <algorithm>
#include <cassert>

namespace sinter::rt {
namespace {

constexpr uint64_t defaultKvBytes = uint64_t{512} << 20;

Result<int32_t> chooseKvBlocks(const Plan &plan, uint64_t kvBytes) {
  uint64_t blockBytes = plan.kvBlockBytes * static_cast<uint64_t>(plan.numLayers);
  auto perSequence = static_cast<uint64_t>(plan.maxSeqBlocks());
  uint64_t most = perSequence * static_cast<uint64_t>(plan.maxSeqs);
  if (blockBytes == 0)
    return static_cast<int32_t>(most);
  uint64_t blocks = kvBytes ? kvBytes / blockBytes : std::max(perSequence, std::min(most, defaultKvBytes / blockBytes));
  if (blocks == 0)
    return fail(formatBytes(kvBytes) + " of KV cache hold no block: a block of " + std::to_string(plan.kvBlockTokens) +
                " tokens takes " + formatBytes(blockBytes));
  return static_cast<int32_t>(std::min<uint64_t>(blocks, INT32_MAX));
}

} // namespace

Result<void> checkMachine(const Plan &plan) {
  std::string missing = missingFeatures(plan.cpuFeatures, cpuFlags());
  if (!missing.empty())
    return fail(std::string("built for ") + plan.target + ", this machine lacks " + missing);
  return {};
}

Result<std::unique_ptr<CpuExecutor>> CpuExecutor::create(const Plan &plan, std::unique_ptr<ThreadPool> pool,
                                                         Weights weights, const CpuExecutorOptions &options) {
  if (weights.bytes().size() != plan.weightsBytes)
    return fail("the plan of " + std::string(plan.model) + " needs " + std::to_string(plan.weightsBytes) +
                " bytes of weights, the payload has " + std::to_string(weights.bytes().size()));
  std::unique_ptr<CpuExecutor> executor(new CpuExecutor(plan));
  executor->pool = std::move(pool);
  executor->weights = std::move(weights);
  if (Result<void> allocated = executor->allocate(options); !allocated)
    return tl::unexpected(allocated.error());
  executor->resolve();
  return executor;
}

Result<void> CpuExecutor::allocate(const CpuExecutorOptions &options) {
  Result<int32_t> blocks = chooseKvBlocks(plan, options.kvBytes);
  if (!blocks)
    return tl::unexpected(blocks.error());
  limitsOfPlan = ExecutorLimits::of(plan, *blocks);
  kvLayerBytes = static_cast<uint64_t>(*blocks) * plan.kvBlockBytes;
  uint64_t logitsBytes =
      static_cast<uint64_t>(plan.maxStepLogits) * static_cast<uint64_t>(plan.vocabSize) * sizeof(float);
  struct {
    Memory &memory;
    uint64_t bytes;
    Memory::Pages pages;
    const char *what;
  } parts[] = {{arena, plan.arenaBytes, Memory::Pages::Huge, "activations"},
               {kv, kvLayerBytes * static_cast<uint64_t>(plan.numLayers), Memory::Pages::Small, "the KV cache"},
               {logits, logitsBytes, Memory::Pages::Small, "logits"}};
  for (auto &part : parts) {
    Result<Memory> memory = Memory::allocate(part.bytes, part.pages, part.what);
    if (!memory)
      return tl::unexpected(memory.error());
    part.memory = std::move(*memory);
  }
  return {};
}

std::byte *CpuExecutor::address(const Arg &arg) const {
  switch (arg.kind) {
  case ArgKind::Weight:
    return const_cast<std::byte *>(weights.bytes().data()) + arg.offset;
  case ArgKind::Value:
    return arena.data() + arg.offset;
  case ArgKind::KvLayer:
    return kv.data() + arg.offset * kvLayerBytes;
  case ArgKind::Logits:
    return logits.data();
  }
  assert(false && "unknown ArgKind");
  return nullptr;
}

void CpuExecutor::resolve() {
  buckets.resize(static_cast<size_t>(plan.numBuckets));
  size_t total = 0;
  for (int32_t b = 0; b < plan.numBuckets; ++b)
    for (int32_t i = 0; i < plan.buckets[b].numLaunches; ++i)
      total += static_cast<size_t>(plan.buckets[b].launches[i].numArgs);
  pointers.reserve(total); // Args point into it: it must not move
  for (int32_t b = 0; b < plan.numBuckets; ++b)
    for (int32_t i = 0; i < plan.buckets[b].numLaunches; ++i) {
      const Launch &launch = plan.buckets[b].launches[i];
      buckets[static_cast<size_t>(b)].args.push_back({pointers.data() + pointers.size()});
      for (int32_t a = 0; a < launch.numArgs; ++a)
        pointers.push_back(address(launch.args[a]));
    }
}

Result<void> CpuExecutor::start(const Step &step, std::span<const SampleRow> rows, bool) {
  limitsOfPlan.check(step, rows.size());
  const Bucket *end = plan.buckets + plan.numBuckets;
  const Bucket *bucket =
      std::partition_point(plan.buckets, end, [&](const Bucket &b) { return b.maxTokens < step.numTokens; });
  assert(bucket != end && "the last bucket holds maxStepTokens");
  int32_t index = static_cast<int32_t>(bucket - plan.buckets);
  pool->run([&](const Worker &worker) { runLaunches(step, index, worker); });
  stepsMeasured += profiling;
  const float *row = reinterpret_cast<const float *>(logits.data());
  size_t vocab = static_cast<size_t>(plan.vocabSize);
  tokens.clear();
  for (size_t i = 0; i < rows.size(); ++i)
    tokens.push_back(chooseToken(sampler, rows[i], {row + i * vocab, vocab}));
  result = {tokens, {row, static_cast<size_t>(step.numLogits) * vocab}};
  return {};
}

void CpuExecutor::runLaunches(const Step &step, int32_t bucketIndex, const Worker &worker) {
  const Bucket &bucket = plan.buckets[bucketIndex];
  ResolvedBucket &resolved = buckets[static_cast<size_t>(bucketIndex)];
  bool measure = profiling && worker.index == 0;
  double last = measure ? secondsNow() : 0;
  int32_t lastLaunch = profiling || observer ? -1 : bucket.numLaunches - 1; // the pool's own barrier ends this one
  for (int32_t i = 0; i < bucket.numLaunches; ++i) {
    const Args &args = resolved.args[static_cast<size_t>(i)];
    bucket.launches[i].kernel(step, args, worker);
    if (i != lastLaunch)
      worker.barrier();
    if (measure) {
      LaunchTime &time = resolved.times[static_cast<size_t>(i)];
      double ended = secondsNow();
      time.seconds += ended - last;
      time.calls += 1;
      time.tokens += step.numTokens;
      time.logits += step.numLogits;
      last = ended;
    }
    if (observer) {
      if (worker.index == 0)
        observer(bucket.launches[i], args, step);
      worker.barrier();
    }
  }
}

void CpuExecutor::startProfile() {
  profiling = true;
  stepsMeasured = 0;
  for (int32_t b = 0; b < plan.numBuckets; ++b) {
    std::vector<LaunchTime> &times = buckets[static_cast<size_t>(b)].times;
    times.clear();
    for (int32_t i = 0; i < plan.buckets[b].numLaunches; ++i)
      times.push_back({&plan.buckets[b].launches[i]});
  }
}

std::vector<LaunchTime> CpuExecutor::profile() const {
  std::vector<LaunchTime> ran;
  for (const ResolvedBucket &bucket : buckets)
    for (const LaunchTime &time : bucket.times)
      if (time.calls > 0)
        ran.push_back(time);
  return ran;
}

} // namespace sinter::rt
