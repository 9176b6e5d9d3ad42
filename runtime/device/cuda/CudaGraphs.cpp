// SPDX-License-Identifier: Apache-2.0
// Capturing launch lists.
#include "runtime/device/cuda/CudaGraphs.h"
#include <algorithm>
#include <cassert>
#include <set>

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

std::array<std::span<const CudaLaunchList>, 6> listsOf(const CudaPlan &plan) {
  auto span = [](const CudaLaunchList *lists, int32_t count) { return std::span(lists, static_cast<size_t>(count)); };
  return {span(plan.decode, plan.numDecode),     span(plan.mixed, plan.numMixed),
          span(plan.heads, plan.numHeads),       span(plan.denseHeads, plan.numDenseHeads),
          span(plan.resident, plan.numResident), span(plan.residentHeads, plan.numResident)};
}

CudaStepLists CudaStepLists::choose(const CudaPlan &plan, const Step &step, int multiprocessors) {
  CudaStepLists lists{};
  bool decodes = step.numTokens == step.numSeqs;
  if (decodes && step.numLogits == step.numTokens && multiprocessors >= plan.residentBlocks)
    if (auto *body = findList(plan.resident, plan.numResident, step.numTokens))
      return {body, plan.residentHeads + (body - plan.resident), true};
  if (decodes)
    lists.body = findList(plan.decode, plan.numDecode, step.numTokens);
  if (!lists.body)
    lists.body = findList(plan.mixed, plan.numMixed, step.numTokens);
  if (step.numLogits > 0 && step.numLogits == step.numTokens)
    lists.head = findList(plan.denseHeads, plan.numDenseHeads, step.numLogits);
  lists.dense = lists.head != nullptr;
  if (step.numLogits > 0 && !lists.head)
    lists.head = findList(plan.heads, plan.numHeads, step.numLogits);
  assert(lists.body && (lists.head || step.numLogits == 0) && "the last lists hold the largest step");
  return lists;
}

/// From a number of rows to the next, no other list comes into question, nor from a first to a last in between: it is
/// enough to try these.
std::vector<CudaStepLists> CudaStepLists::all(const Plan &plan, int multiprocessors) {
  std::set<int32_t> rows{0, 1};
  auto addBorder = [&](int32_t last) { rows.insert({last, last + 1}); };
  for (int32_t limit : {plan.maxSeqs, plan.maxStepLogits, plan.maxStepTokens})
    addBorder(limit);
  for (std::span<const CudaLaunchList> lists : listsOf(*plan.cuda))
    for (const CudaLaunchList &list : lists)
      addBorder(list.maxRows);
  std::vector<CudaStepLists> found;
  std::set<std::pair<const CudaLaunchList *, const CudaLaunchList *>> known; // looked up only
  for (int32_t tokens : rows)
    for (int32_t sequences : {tokens, 0}) // as many: decoding
      for (int32_t logits : rows) {
        if (tokens == 0 || tokens > plan.maxStepTokens || sequences > plan.maxSeqs)
          continue;
        if (logits > std::min(tokens, plan.maxStepLogits))
          continue;
        CudaStepLists lists =
            choose(*plan.cuda, {.numTokens = tokens, .numSeqs = sequences, .numLogits = logits}, multiprocessors);
        if (known.insert({lists.body, lists.head}).second)
          found.push_back(lists);
      }
  return found;
}

/// A head that is not dense has room for the rows of any, for a body has to know where its arrays are.
CudaStepLayout CudaGraphs::layout(const CudaStepLists &lists) const {
  int32_t tokens = lists.body ? lists.body->maxRows : 0;
  return CudaStepLayout({.tokens = tokens,
                         .sequences = std::min(tokens, plan->maxSeqs),
                         .logits = lists.dense ? lists.head->maxRows : largestHead(*plan->cuda),
                         .tableStride = plan->maxSeqBlocks()});
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
  void *parameters[] = {index < lists.numBody() ? &steps.body : &steps.head, pointers.data()};
  CudaLaunchAttribute attribute = CudaLaunchAttribute::programmatic();
  CudaLaunchConfig config;
  config.gridX = launch.grid;
  config.blockX = static_cast<unsigned>(kernel.threads);
  config.dynamicSharedBytes = static_cast<unsigned>(kernel.dynamicShared);
  config.stream = stream;
  config.attributes = &attribute;
  config.numAttributes = overlap && mayOverlap ? 1 : 0;
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

Result<CudaStepGraphs> CudaGraphs::get(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                                       CudaStreamHandle stream) {
  bool apart = lists.head && !lists.dense;
  Result<CudaGraphExecHandle> body =
      find(apart ? CudaStepLists{lists.body, nullptr, false} : lists, base, others, stream);
  Result<CudaGraphExecHandle> head = nullptr;
  if (body && apart)
    head = find({nullptr, lists.head, false}, base, others, stream);
  if (!body || !head)
    return tl::unexpected(body ? head.error() : body.error());
  return CudaStepGraphs{*body, *head};
}

Result<CudaGraphExecHandle> CudaGraphs::find(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                                             CudaStreamHandle stream) {
  auto found = graphs.find({lists.body, lists.head, base});
  if (found != graphs.end())
    return found->second.get();
  Steps both = steps(lists, base, others);
  Result<CudaGraphExec> made = capture(stream, [&]() -> Result<void> {
    for (int32_t i = 0; i < lists.numLaunches(); ++i)
      if (auto launched = launch(lists, i, both, /*overlap=*/i > 0, stream); !launched)
        return launched;
    return {};
  });
  if (!made)
    return tl::unexpected(made.error());
  return graphs.insert_or_assign({lists.body, lists.head, base}, std::move(*made)).first->second.get();
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
