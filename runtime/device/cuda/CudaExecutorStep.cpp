// SPDX-License-Identifier: Apache-2.0
// A step on the GPU: up, through a graph, and back. Nothing that a step leaves is copied unless it is its logits: a
// copy between two graphs would cost microseconds.
#include "runtime/device/cuda/CudaExecutor.h"
#include <algorithm>
#include <cassert>

namespace sinter::rt {

namespace {

/// A resident body gives up when its blocks do not all run, of which the driver's word for it says nothing.
Result<void> explained(Result<void> done, const CudaPlan &plan, const CudaStepLists &lists) {
  auto resident = std::span(plan.resident, static_cast<size_t>(plan.numResident));
  bool one = std::ranges::any_of(resident, [&](const CudaLaunchList &list) { return &list == lists.body; });
  if (!done && one)
    done.error().message += "; the layers of this step are one kernel, whose " + std::to_string(plan.residentBlocks) +
                            " blocks must all run at once: does another process use this GPU?";
  return done;
}

} // namespace

Result<void> CudaExecutor::start(const Step &step, std::span<const SampleRow> rows, bool wantLogits) {
  assert(started - finished < depth() && "steps under way");
  limitsOfPlan.check(step, rows.size());
  CudaSlot &slot = slots[static_cast<size_t>(started) % slots.size()];
  slot.index = started;
  slot.wantLogits = wantLogits && step.numLogits > 0;
  slot.launches = CudaStepLists::choose(*plan.cuda, step, gpu->facts().multiprocessors);
  slot.describe(step, rows);
  auto done = gpu->makeCurrent()
                  .and_then([&] { return upload(slot, step, rows); })
                  .and_then([&] { return compute(slot); })
                  .and_then([&] { return download(slot); });
  if (done)
    ++started;
  return explained(done, *plan.cuda, slot.launches);
}

Result<void> CudaExecutor::copyUp(CudaAddress to, const void *from, uint64_t bytes) {
  return driver.call(driver.cuMemcpyHtoDAsync_v2, to, from, bytes, copies.get());
}

/// The set of arrays is free: the step that had it before is finished.
Result<void> CudaExecutor::upload(CudaSlot &slot, const Step &step, std::span<const SampleRow> rows) {
  samplingLists.history.clear();
  samplingLists.bias.clear();
  CudaStepLayout layout = graphs->layout(slot.launches);
  std::byte *arrays = slot.arrays.data();
  uint64_t bytes = layout.write(arrays, step, plan.kvBlockTokens);
  std::ranges::transform(rows, layout.samplings(arrays), [&](const SampleRow &row) {
    return cudaSampling(slot.choosesOnHost(row) ? SampleRow{} : row, samplingLists);
  });
  return reserveLists(samplingLists.bias.size(), samplingLists.history.size())
      .and_then([&] { return uploadLists(slot); })
      .and_then([&] { return copyUp(arraysOf(slot.index), arrays, bytes); })
      .and_then([&] { return driver.call(driver.cuEventRecord, slot.uploaded.get(), copies.get()); })
      .and_then([&] { return driver.call(driver.cuStreamWaitEvent, main.get(), slot.uploaded.get(), 0u); });
}

/// Histories and biases, which most steps have none of.
Result<void> CudaExecutor::uploadLists(CudaSlot &slot) {
  uint64_t biasBytes = samplingLists.bias.size() * sizeof(CudaLogitBias);
  uint64_t historyBytes = samplingLists.history.size() * sizeof(CudaTokenCount);
  if (biasBytes + historyBytes == 0)
    return {};
  if (auto reserved = slot.lists.reserve(driver, biasBytes + historyBytes); !reserved)
    return reserved;
  std::byte *pinned = slot.lists.data();
  std::ranges::copy(samplingLists.bias, reinterpret_cast<CudaLogitBias *>(pinned));
  std::ranges::copy(samplingLists.history, reinterpret_cast<CudaTokenCount *>(pinned + biasBytes));
  CudaStepArrays to = othersOf(slot.index);
  Result<void> done;
  if (biasBytes > 0)
    done = copyUp(to.bias, pinned, biasBytes);
  if (done && historyBytes > 0)
    done = copyUp(to.history, pinned + biasBytes, historyBytes);
  return done;
}

Result<void> CudaExecutor::compute(CudaSlot &slot) {
  slot.timed = profiling && !checkLaunches;
  if (slot.timed)
    return computeTimed(slot);
  CudaAddress arrays = arraysOf(slot.index);
  CudaStepArrays others = othersOf(slot.index);
  // The step begins when its graph is there: on an idle GPU the event is reached at once.
  auto begin = [&] { return driver.call(driver.cuEventRecord, slot.begun.get(), main.get()); };
  if (checkLaunches)
    return begin().and_then([&] { return graphs->runChecked(slot.launches, arrays, others, main.get()); });
  // Built on the other stream: this one may hold a step, which a capture must not see.
  Result<CudaStepGraphs> step = graphs->get(slot.launches, arrays, others, copies.get());
  if (!step)
    return tl::unexpected(step.error());
  auto launch = [&](CudaGraphExecHandle graph) {
    return graph ? driver.call(driver.cuGraphLaunch, graph, main.get()) : Result<void>();
  };
  return begin().and_then([&] { return launch(step->body); }).and_then([&] { return launch(step->head); });
}

Result<void> CudaExecutor::download(CudaSlot &slot) {
  Result<void> done;
  if (slot.wantLogits) {
    uint64_t bytes = static_cast<uint64_t>(slot.numLogits) * static_cast<uint64_t>(plan.vocabSize) * sizeof(float);
    done = slot.logits.reserve(driver, bytes);
    if (done)
      done = driver.call(driver.cuMemcpyDtoHAsync_v2, slot.logits.data(), buffers.logits(), bytes, main.get());
  }
  if (!done)
    return done;
  return driver.call(driver.cuEventRecord, slot.done.get(), main.get());
}

Result<StepResult> CudaExecutor::finish() {
  assert(started > finished && "a step is under way");
  CudaSlot &slot = slots[static_cast<size_t>(finished) % slots.size()];
  Result<void> ended =
      gpu->makeCurrent().and_then([&] { return driver.call(driver.cuEventSynchronize, slot.done.get()); });
  ++finished;
  if (ended)
    ended = addTimes(slot);
  ended = explained(ended, *plan.cuda, slot.launches);
  if (!ended)
    return tl::unexpected(ended.error());
  slot.tokens.assign(publishedOf(slot.index), publishedOf(slot.index) + slot.numLogits);
  for (size_t row = 0; row < slot.tokens.size(); ++row)
    if (!slot.wanted[row])
      slot.tokens[row] = -1;
  StepResult result{.tokens = slot.tokens, .logits = {}};
  size_t vocab = static_cast<size_t>(plan.vocabSize);
  if (slot.wantLogits)
    result.logits = {reinterpret_cast<const float *>(slot.logits.data()), slot.tokens.size() * vocab};
  for (const KeptSampleRow &one : slot.kept)
    slot.tokens[one.place] = chooseToken(sampler, one.row(), result.logits.subspan(one.place * vocab, vocab));
  return result;
}

} // namespace sinter::rt
