// SPDX-License-Identifier: Apache-2.0
// The graphs of a plan, captured when they are first needed and launched again ever after. A dense head is one graph
// with its body, since a step of decoding must not wait between them. A head that gathers its rows is a graph of its
// own: it may follow any body, and a graph for every pair would be hundreds.
#pragma once
#include "runtime/device/cuda/CudaBuffers.h"
#include "runtime/device/cuda/CudaKernels.h"
#include "runtime/device/cuda/CudaStepLayout.h"
#include <array>
#include <map>
#include <memory>
#include <tuple>

namespace sinter::rt {

/// Decode, mixed, heads, dense heads, resident, their heads.
std::array<std::span<const CudaLaunchList>, 6> listsOf(const CudaPlan &plan);

/// Which lists a step runs. `head` is null for a step whose logits nobody wants.
struct CudaStepLists {
  const CudaLaunchList *body, *head;
  bool dense; ///< the head is

  /// Decode lists take steps in which every sequence has exactly one token, dense heads those in which every token
  /// wants logits, if their largest bucket holds them. Resident lists take what they can on a GPU of enough
  /// `multiprocessors`.
  static CudaStepLists choose(const CudaPlan &plan, const Step &step, int multiprocessors = 0);
  /// All that choose() can come to, each once, in an order that only the plan decides.
  static std::vector<CudaStepLists> all(const Plan &plan, int multiprocessors = 0);
  int32_t numBody() const { return body ? body->numLaunches : 0; }
  int32_t numLaunches() const { return numBody() + (head ? head->numLaunches : 0); }
  const CudaLaunch &launch(int32_t index) const {
    return index < numBody() ? body->launches[index] : head->launches[index - numBody()];
  }
};

/// Those of a step, in the order in which they are launched.
struct CudaStepGraphs {
  CudaGraphExecHandle body, head; ///< head: null where there is none, or the body has it
};

class CudaGraphs {
public:
  /// Device, kernels and buffers must outlive it.
  CudaGraphs(const CudaDevice &device, const Plan &plan, const CudaKernels &kernels, const CudaBuffers &buffers)
      : driver(&device.driver()), plan(&plan), kernels(&kernels), buffers(&buffers),
        mayOverlap(device.facts().overlapsLaunches()) {}

  CudaStepLayout layout(const CudaStepLists &lists) const;
  /// The graphs of these lists on the step arrays at `base`; built if they are not there yet. `stream` is only captured
  /// from, with nothing run.
  Result<CudaStepGraphs> get(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                             CudaStreamHandle stream);
  /// The same kernels one after another, with no overlap, and an event between any two: events[0] before the first,
  /// events[i] after launch i - 1. Not kept.
  Result<CudaGraphExec> makeTimed(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                                  CudaStreamHandle stream, std::span<const CudaEvent> events) const;
  /// Runs the kernels without a graph and waits after each, so that an error names its kernel and op.
  Result<void> runChecked(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                          CudaStreamHandle stream) const;
  int64_t count() const { return static_cast<int64_t>(graphs.size()); }
  /// Forgets all; no graph may be running.
  void clear() { graphs.clear(); }

private:
  /// The step as the kernels of both lists see it.
  struct Steps {
    CudaStep body, head;
  };
  Steps steps(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others) const;
  Result<void> launch(const CudaStepLists &lists, int32_t index, Steps &steps, bool overlap,
                      CudaStreamHandle stream) const;
  template <typename Body>
  Result<CudaGraphExec> capture(CudaStreamHandle stream, Body &&body) const;
  /// One graph; of the lists one may be null.
  Result<CudaGraphExecHandle> find(const CudaStepLists &lists, CudaAddress base, const CudaStepArrays &others,
                                   CudaStreamHandle stream);

  const CudaDriver *driver;
  const Plan *plan;
  const CudaKernels *kernels;
  const CudaBuffers *buffers;
  bool mayOverlap; ///< the GPU can start a kernel before its predecessor has ended
  /// By places in the plan, never iterated.
  std::map<std::tuple<const CudaLaunchList *, const CudaLaunchList *, CudaAddress>, CudaGraphExec> graphs;
};

} // namespace sinter::rt
