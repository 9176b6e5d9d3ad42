// SPDX-License-Identifier: Apache-2.0
// Capturing launch lists.
#include "runtime/device/cuda/CudaGraphs.h"
#include <algorithm>
#include <cassert>

namespace sinter::rt {
namespace {

/// The first list of `lists` that takes `rows`, or null.
const CudaLaunchList *findList(const CudaLaunchList *lists, int32_t count, int32_t rows) {
  const CudaLaunchList *end = lists + count;
  const CudaLaunchList *found =
      std::partition_point(lists, end, [rows](const CudaLaunchList &list) { return list.maxRows < rows; });
  return found == end ? nullptr : found;
}

} // namespace

CudaStepLists CudaStepLists::choose(const CudaPlan &plan, const Step &step) {
  CudaStepLists lists{};
  if (step.numTokens == step.numSeqs)
    lists.body = findList(plan.decode, plan.numDecode, step.numTokens);
  if (!lists.body)
    lists.body = findList(plan.mixed, plan.numMixed, step.numTokens);
  if (step.numLogits > 0 && step.numLogits == step.numTokens)
    lists.head = findList(plan.denseHeads, plan.numDenseHeads, step.numLogits);
  if (step.numLogits > 0 && !lists.head)
    lists.head = findList(plan.heads, plan.numHeads, step.numLogits);
  assert(lists.body && (lists.head || step.numLogits == 0) && "the last lists hold the largest step");
  return lists;
}

CudaStepLayout CudaGraphs::layout(const CudaStepLists &lists) const {
  return CudaStepLayout({.tokens = lists.body->maxRows,
                         .sequences = std::min(lists.body->maxRows, plan->maxSeqs),
                         .logits = lists.head ? lists.head->maxRows : 0,
                         .tableStride = (plan->maxSeqLen + plan->kvBlockTokens - 1) / plan->kvBlockTokens});
}

CudaGraphs::Steps CudaGraphs::steps(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others) const {
  CudaStepLayout arrays = layout(lists);
  return {arrays.body(base, others), arrays.head(base, others)};
}

/// Parameters are the step and the pointers, both by value (runtime/abi/CudaStep.h).
Result<void> CudaGraphs::launch(const CudaStepLists &lists, int32_t index, Steps &steps, bool overlap,
                                CudaStreamHandle stream) const {
  const CudaLaunch &launch = lists.launch(index);
  const CudaKernel &kernel = plan->cuda->kernels[launch.kernel];
  std::vector<CudaAddress> pointers;
  for (const CudaArg &arg : std::span(launch.args, static_cast<size_t>(launch.numArgs)))
    pointers.push_back(buffers->address(arg));
  void *parameters[] = {index < lists.body->numLaunches ? &steps.body : &steps.head, pointers.data()};
  CudaLaunchAttribute attribute = CudaLaunchAttribute::programmatic();
  CudaLaunchConfig config;
  config.gridX = launch.grid;
  config.blockX = static_cast<unsigned>(kernel.threads);
  config.dynamicSharedBytes = static_cast<unsigned>(kernel.dynamicShared);
  config.stream = stream;
  config.attributes = &attribute;
  config.numAttributes = overlap ? 1 : 0;
  auto launched = driver->call(driver->cuLaunchKernelEx, &config, (*kernels)[launch.kernel], parameters, nullptr);
  if (!launched)
    return fail(std::string("kernel ") + kernel.name + ": " + launched.error().message);
  return {};
}

template <typename Body>
Result<CudaGraphExec> CudaGraphs::capture(CudaStreamHandle stream, Body &&body) const {
  // Thread-local: other threads upload weights meanwhile.
  if (auto begun = driver->call(driver->cuStreamBeginCapture_v2, stream, CudaCaptureMode::ThreadLocal); !begun)
    return tl::unexpected(begun.error());
  Result<void> filled = body();
  CudaGraphHandle handle = nullptr;
  Result<void> ended = driver->call(driver->cuStreamEndCapture, stream, &handle);
  CudaGraph graph(*driver, handle);
  if (!filled || !ended)
    return tl::unexpected(filled ? ended.error() : filled.error());
  CudaGraphExecHandle exec = nullptr;
  if (auto made = driver->call(driver->cuGraphInstantiateWithFlags, &exec, graph.get(), 0ull); !made)
    return tl::unexpected(made.error());
  return CudaGraphExec(*driver, exec);
}

Result<CudaGraphExecHandle> CudaGraphs::get(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                                            CudaStreamHandle stream) {
  CudaGraphExec &graph = graphs[{lists.body, lists.head, base}];
  if (graph)
    return graph.get();
  Steps both = steps(lists, base, others);
  Result<CudaGraphExec> made = capture(stream, [&]() -> Result<void> {
    for (int32_t i = 0; i < lists.numLaunches(); ++i)
      if (auto launched = launch(lists, i, both, /*overlap=*/i > 0, stream); !launched)
        return launched;
    return {};
  });
  if (!made)
    return tl::unexpected(made.error());
  graph = std::move(*made);
  return graph.get();
}

Result<CudaGraphExec> CudaGraphs::makeTimed(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                                            CudaStreamHandle stream, std::span<const CudaEvent> events) const {
  Steps both = steps(lists, base, others);
  auto record = [&](int32_t index) {
    return driver->call(driver->cuEventRecordWithFlags, events[static_cast<size_t>(index)].get(), stream,
                        cudaEventRecordExternal);
  };
  return capture(stream, [&]() -> Result<void> {
    Result<void> done = record(0);
    for (int32_t i = 0; done && i < lists.numLaunches(); ++i) {
      done = launch(lists, i, both, /*overlap=*/false, stream);
      if (done)
        done = record(i + 1);
    }
    return done;
  });
}

Result<void> CudaGraphs::runChecked(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                                    CudaStreamHandle stream) const {
  Steps both = steps(lists, base, others);
  for (int32_t i = 0; i < lists.numLaunches(); ++i) {
    if (auto launched = launch(lists, i, both, /*overlap=*/false, stream); !launched)
      return launched;
    if (auto ran = driver->call(driver->cuStreamSynchronize, stream); !ran)
      return fail(std::string("kernel ") + plan->cuda->kernels[lists.launch(i).kernel].name + ", " +
                  lists.launch(i).op + ": " + ran.error().message);
  }
  return {};
}

} // namespace sinter::rt
