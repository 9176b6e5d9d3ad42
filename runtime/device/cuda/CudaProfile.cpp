// SPDX-License-Identifier: Apache-2.0
// What the launches of a GPU's steps cost, one by one.
#include "runtime/device/cuda/CudaExecutor.h"
#include <algorithm>

namespace sinter::rt {

void CudaExecutor::startProfile() {
  profiling = true;
  stepsMeasured = 0;
  sums.clear();
}

/// The step as a graph with events between its launches; kept for the steps that follow with the same lists.
Result<void> CudaExecutor::computeTimed(CudaSlot &slot) {
  CudaTimedGraph &timed = timedGraphs[slot.index % 2];
  if (timed.lists.body != slot.launches.body || timed.lists.head != slot.launches.head) {
    CudaTimedGraph made{slot.launches, {}, {}};
    for (int32_t i = 0; i <= slot.launches.numLaunches(); ++i) {
      Result<CudaEvent> event = makeCudaEvent(driver, 0);
      if (!event)
        return tl::unexpected(event.error());
      made.events.push_back(std::move(*event));
    }
    Result<CudaGraphExec> graph =
        graphs->makeTimed(slot.launches, arraysOf(slot.index), othersOf(slot.index), copies.get(), made.events);
    if (!graph)
      return tl::unexpected(graph.error());
    made.graph = std::move(*graph);
    timed = std::move(made);
  }
  return driver.call(driver.cuGraphLaunch, timed.graph.get(), main.get());
}

/// Of a step that has ended.
Result<void> CudaExecutor::addTimes(const CudaSlot &slot) {
  float milliseconds = 0;
  auto elapsed = [&](const CudaEvent &begin, const CudaEvent &end) {
    return driver.call(driver.cuEventElapsedTime_v2, &milliseconds, begin.get(), end.get());
  };
  if (!slot.timed) {
    auto read = elapsed(slot.begun, slot.done);
    secondsBusy += milliseconds * 1e-3;
    return read;
  }
  ++stepsMeasured;
  const std::vector<CudaEvent> &events = timedGraphs[slot.index % 2].events;
  for (int32_t i = 0; i < slot.launches.numLaunches(); ++i) {
    const CudaLaunch &launch = slot.launches.launch(i);
    if (auto read = elapsed(events[static_cast<size_t>(i)], events[static_cast<size_t>(i) + 1]); !read)
      return read;
    bool head = i >= slot.launches.body->numLaunches;
    double rows = head ? slot.numLogits : slot.numTokens;
    LaunchSum &sum = sums[&launch];
    ++sum.calls;
    sum.seconds += milliseconds * 1e-3;
    secondsBusy += milliseconds * 1e-3;
    sum.bytes +=
        launch.weightBytes + launch.rowBytes * rows + launch.contextBytes * static_cast<double>(slot.contextTokens);
    sum.flops += launch.rowFlops * rows + launch.pairFlops * static_cast<double>(slot.pairs);
  }
  return {};
}

std::vector<KernelTime> CudaExecutor::profile() const {
  const CudaPlan &cuda = *plan.cuda;
  std::vector<KernelTime> times;
  auto left = sums; // lists may share launches
  for (std::span<const CudaLaunchList> lists : listsOf(cuda))
    for (const CudaLaunchList &list : lists)
      for (const CudaLaunch &launch : std::span(list.launches, static_cast<size_t>(list.numLaunches)))
        if (auto found = left.extract(&launch)) {
          const LaunchSum &sum = found.mapped();
          times.push_back({cuda.kernels[launch.kernel].name, launch.op, sum.calls, sum.seconds, sum.bytes, sum.flops});
        }
  return times;
}

/// Seconds from before to after a kernel that is launched alone.
Result<double> CudaExecutor::timeLaunch(const CudaLaunchConfig &config, CudaFunctionHandle kernel, void **parameters,
                                        const CudaEvent &begin, const CudaEvent &end) const {
  float milliseconds = 0;
  auto ran =
      driver.call(driver.cuEventRecord, begin.get(), main.get())
          .and_then([&] { return driver.call(driver.cuLaunchKernelEx, &config, kernel, parameters, nullptr); })
          .and_then([&] { return driver.call(driver.cuEventRecord, end.get(), main.get()); })
          .and_then([&] { return driver.call(driver.cuEventSynchronize, end.get()); })
          .and_then([&] { return driver.call(driver.cuEventElapsedTime_v2, &milliseconds, begin.get(), end.get()); });
  if (!ran)
    return tl::unexpected(ran.error());
  return 1e-3 * milliseconds;
}

Result<double> CudaExecutor::measureReadBandwidth() const {
  const CudaPlan &cuda = *plan.cuda;
  auto all = std::span(cuda.kernels, static_cast<size_t>(cuda.numKernels));
  auto kernel = std::ranges::find_if(all, [](const CudaKernel &one) {
    return std::string_view(one.name).find("read_bandwidth") != std::string_view::npos;
  });
  if (kernel == all.end())
    return fail("the read bandwidth is not known: the plan has no kernel that measures it");
  // templates/cuda/read_bandwidth.cuh; what is read are the weights, and nothing is written.
  CudaStep step{};
  CudaAddress pointers[] = {buffers.weights(), buffers.weights() + plan.weightsBytes / 16 * 16, buffers.logits()};
  void *parameters[] = {&step, pointers};
  CudaLaunchConfig config;
  config.gridX = static_cast<unsigned>(gpu->facts().multiprocessors);
  config.blockX = static_cast<unsigned>(kernel->threads);
  config.stream = main.get();
  Result<CudaEvent> begin = makeCudaEvent(driver, 0), end = makeCudaEvent(driver, 0);
  if (!begin || !end)
    return tl::unexpected(begin ? end.error() : begin.error());
  CudaFunctionHandle function = kernels[static_cast<int32_t>(kernel - all.begin())];
  std::array<double, 9> passes;
  for (double &seconds : passes) {
    Result<double> took = timeLaunch(config, function, parameters, *begin, *end);
    if (!took)
      return took;
    seconds = *took;
  }
  std::ranges::sort(passes);
  return static_cast<double>(plan.weightsBytes) / passes[passes.size() / 2];
}

} // namespace sinter::rt
