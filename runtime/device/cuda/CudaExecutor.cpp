// SPDX-License-Identifier: Apache-2.0
// Loading a model into a GPU. Its steps are in CudaExecutorStep.cpp, its profile in CudaProfile.cpp.
#include "runtime/device/cuda/CudaExecutor.h"
#include "runtime/device/cuda/CudaUpload.h"
#include <algorithm>

namespace sinter::rt {
namespace {

CudaStepLayout largestLayout(const Plan &plan) {
  return CudaStepLayout({.tokens = largestBody(*plan.cuda),
                         .sequences = plan.maxSeqs,
                         .logits = largestHead(*plan.cuda),
                         .tableStride = plan.maxSeqBlocks()});
}

Result<Mapping> mapCubins(const Payload &payload) {
  const PayloadSection *section = payload.find("cubins");
  if (!section)
    return fail(payload.path() + ": the payload has no section 'cubins'");
  return payload.map(*section);
}

} // namespace

Result<std::unique_ptr<CudaExecutor>> CudaExecutor::create(const Plan &plan, const Payload &code,
                                                           const Payload &weights, const CudaExecutorOptions &options) {
  Result<CudaDriver> driver = CudaDriver::open(options.library);
  if (!driver)
    return tl::unexpected(driver.error());
  std::unique_ptr<CudaExecutor> executor(new CudaExecutor(plan, *driver));
  executor->checkLaunches = options.checkLaunches;
  executor->stepBytes = (largestLayout(plan).bytes() + 255) & ~uint64_t{255};
  auto loaded = executor->openDevice(options).and_then([&] { return executor->load(code, weights, options); });
  if (!loaded)
    return tl::unexpected(loaded.error());
  return executor;
}

CudaExecutor::~CudaExecutor() {
  if (!gpu || !gpu->makeCurrent() || !main)
    return;
  (void)driver.cuStreamSynchronize(copies.get());
  (void)driver.cuStreamSynchronize(main.get());
}

/// Opens the GPU if all will fit, and takes the memory.
Result<void> CudaExecutor::openDevice(const CudaExecutorOptions &options) {
  CudaMemoryPlan sizes(plan, 2 * stepBytes, options.kvBytes);
  Result<CudaDevice> device = CudaDevice::open(driver, {plan.cuda->architecture, sizes.needed()}, options.gpu);
  if (!device)
    return tl::unexpected(device.error());
  gpu.emplace(std::move(*device));
  Result<int32_t> blocks = sizes.blocks(gpu->facts().freeBytes);
  if (!blocks)
    return tl::unexpected(blocks.error());
  limitsOfPlan = ExecutorLimits::of(plan, *blocks);
  for (CudaStream *stream : {&main, &copies}) {
    Result<CudaStream> made = makeCudaStream(driver);
    if (!made)
      return tl::unexpected(made.error());
    *stream = std::move(*made);
  }
  Result<CudaBuffers> memory = CudaBuffers::allocate(driver, plan, sizes, *blocks, main.get());
  if (!memory)
    return tl::unexpected(memory.error());
  buffers = std::move(*memory);
  return {};
}

/// The weights go up alone: before they do, kernels are loaded, and graphs are built after.
Result<void> CudaExecutor::load(const Payload &code, const Payload &weights, const CudaExecutorOptions &options) {
  Result<std::unique_ptr<WeightSource>> source = WeightSource::open(plan, weights, options.checkWeights);
  if (!source)
    return tl::unexpected(source.error());
  Result<Mapping> cubins = mapCubins(code);
  if (!cubins)
    return tl::unexpected(cubins.error());
  Result<CudaKernels> loaded = CudaKernels::load(driver, *plan.cuda, cubins->bytes());
  if (!loaded)
    return tl::unexpected(loaded.error());
  kernels = std::move(*loaded);
  Result<double> seconds =
      buffers.makeTables(driver, *plan.cuda, copies.get()).and_then([&] { return allocateSteps(); }).and_then([&] {
        return CudaUpload::run(*gpu, **source, buffers.weights(), plan.weightsBytes, options.threads);
      });
  if (!seconds)
    return tl::unexpected(seconds.error());
  secondsOfUpload = *seconds;
  return buildCommonGraphs().and_then([&] { return driver.call(driver.cuStreamSynchronize, main.get()); });
}

Result<void> CudaExecutor::allocateSteps() {
  int32_t rows = largestHead(*plan.cuda);
  Result<CudaMemory> arrays = allocateCudaMemory(driver, 2 * stepBytes, "the arrays of steps");
  Result<CudaMemory> tokens = allocateCudaMemory(driver, static_cast<uint64_t>(rows) * sizeof(int32_t), "tokens");
  if (!arrays || !tokens)
    return tl::unexpected(arrays ? tokens.error() : arrays.error());
  stepArrays = std::move(*arrays);
  sampled = std::move(*tokens);
  if (auto made = published.reserve(driver, 2 * static_cast<uint64_t>(rows) * sizeof(int32_t)); !made)
    return made;
  for (CudaSlot &slot : slots) {
    Result<CudaSlot> made = CudaSlot::create(driver, stepBytes);
    if (!made)
      return tl::unexpected(made.error());
    slot = std::move(*made);
  }
  graphs.emplace(*gpu, plan, kernels, buffers);
  return reserveLists(1, 1);
}

/// Those that most steps will want: every decode list with the logits of all, every mixed list, every head that gathers
/// its rows.
Result<void> CudaExecutor::buildCommonGraphs() {
  const CudaPlan &cuda = *plan.cuda;
  std::vector<CudaStepLists> wanted;
  for (int32_t i = 0; i < cuda.numDecode; ++i) {
    int32_t rows = std::min(cuda.decode[i].maxRows, plan.maxStepLogits);
    wanted.push_back(CudaStepLists::choose(cuda, {.numTokens = rows, .numSeqs = rows, .numLogits = rows},
                                           gpu->facts().multiprocessors));
  }
  for (int32_t i = 0; i < cuda.numMixed; ++i)
    wanted.push_back({&cuda.mixed[i], nullptr, false});
  for (int32_t i = 0; i < cuda.numHeads; ++i)
    wanted.push_back(CudaStepLists::choose(
        cuda, {.numTokens = plan.maxStepTokens, .numSeqs = 0, .numLogits = cuda.heads[i].maxRows}));
  return buildGraphs(wanted);
}

Result<int64_t> CudaExecutor::buildAllGraphs() {
  auto built =
      gpu->makeCurrent().and_then([&] { return buildGraphs(CudaStepLists::all(plan, gpu->facts().multiprocessors)); });
  if (!built)
    return tl::unexpected(built.error());
  return graphs->count();
}

/// On both sets of arrays; what the GPU has to know of them goes up now.
Result<void> CudaExecutor::buildGraphs(std::span<const CudaStepLists> wanted) {
  if (checkLaunches)
    return {};
  for (const CudaStepLists &one : wanted)
    for (int64_t set : {0, 1}) {
      auto step = graphs->get(one, arraysOf(set), othersOf(set), copies.get());
      if (!step)
        return tl::unexpected(step.error());
      for (CudaGraphExecHandle graph : {step->body, step->head})
        if (auto there = graph ? driver.call(driver.cuGraphUpload, graph, copies.get()) : Result<void>(); !there)
          return there;
    }
  return driver.call(driver.cuStreamSynchronize, copies.get());
}

CudaStepArrays CudaExecutor::othersOf(int64_t step) const {
  CudaAddress lists = listMemory[step % 2].get();
  return {.history = lists + biasCapacity * sizeof(CudaLogitBias),
          .bias = lists,
          .sampled = sampled.get(),
          .published = reinterpret_cast<CudaAddress>(publishedOf(step))};
}

int32_t *CudaExecutor::publishedOf(int64_t step) const {
  return reinterpret_cast<int32_t *>(published.data()) + step % 2 * largestHead(*plan.cuda);
}

/// Room for so many in both sets. Graphs know the addresses, so that all are built anew when these grow. Where the GPU
/// has no memory for them, everything stays as it was.
Result<void> CudaExecutor::reserveLists(uint64_t biases, uint64_t histories) {
  if (biases <= biasCapacity && histories <= historyCapacity)
    return {};
  if (auto idle = driver.call(driver.cuStreamSynchronize, main.get()); !idle)
    return idle;
  constexpr uint64_t leastBiases = 4096, leastHistories = 65536;
  uint64_t moreBiases = std::max({leastBiases, 2 * biasCapacity, biases});
  uint64_t moreHistories = std::max({leastHistories, 2 * historyCapacity, histories});
  uint64_t bytes = moreBiases * sizeof(CudaLogitBias) + moreHistories * sizeof(CudaTokenCount);
  Result<CudaMemory> first = allocateCudaMemory(driver, bytes, "penalties");
  Result<CudaMemory> second = allocateCudaMemory(driver, bytes, "penalties");
  if (!first || !second)
    return tl::unexpected(first ? second.error() : first.error());
  graphs->clear();
  listMemory[0] = std::move(*first);
  listMemory[1] = std::move(*second);
  biasCapacity = moreBiases;
  historyCapacity = moreHistories;
  // Built anew too, when they are next wanted: until then a step under way reads its times from their events.
  for (CudaTimedGraph &timed : timedGraphs)
    timed.lists = {};
  return {};
}

} // namespace sinter::rt
