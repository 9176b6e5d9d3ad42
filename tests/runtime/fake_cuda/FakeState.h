// SPDX-License-Identifier: Apache-2.0
// What the parts of the fake driver share: its settings, what it has handed out, and what is under way.
//
// Settings are environment variables. Of the machine: FAKE_CUDA_VERSION, _INIT, _GPUS, _NAME, _CAPABILITY, _TOTAL,
// _FREE, _CONTEXT. Of what goes wrong:
//   FAKE_CUDA_FAIL=cuMemcpyHtoDAsync_v2:3   this function fails from its third call on
//   FAKE_CUDA_FAIL_KERNEL=sample            kernels whose names have this cannot be launched
//   FAKE_CUDA_FAULT=sample                  they can, and then the GPU is lost
// Of what real kernels leave: FAKE_CUDA_VOCAB=512, the width of the logits. FAKE_CUDA_REPORT=FILE: what was done, when
// the process ends.
#pragma once
#include "runtime/device/cuda/CudaApi.h"
#include "tests/runtime/fake_cuda/FakeCubin.h"
#include "tests/runtime/fake_cuda/FakeGpu.h"
#include "tests/runtime/fake_cuda/FakeMemory.h"
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace sinter::rt {

long long fakeSetting(const char *name, long long otherwise);
int fakeCapability();
int fakeSharedLimit(); ///< bytes of a block
extern thread_local bool fakeContextIsCurrent;

struct FakeEvent {
  bool timed = true, recorded = false;
  size_t stream = 0;
  uint64_t count = 0; ///< operations of the stream before it
  FakeClock clock;
};

struct FakeGraph {
  std::vector<FakeLaunch> launches;
  std::vector<FakeEvent *> events; ///< that it records
  int64_t releases = 0;            ///< of memory, when its pointers were last looked at
};

struct FakeState {
  std::mutex mutex;
  FakeGpu gpu;
  FakeMemory memory;
  FakeOrder order;
  std::map<const void *, const char *> handles; ///< that are live, and what they are
  std::map<std::string, int> calls;
  size_t streams = 0;
  bool lost = false; ///< a kernel has faulted: nothing works any more
  CudaStep body{};   ///< the last that a body had; a head sees rows of logits alone

  FakeStream *captured = nullptr;
  std::thread::id capturing;
  FakeGraph capture;

  int64_t launches = 0, graphLaunches = 0, copies = 0;
  std::set<std::string> kernels; ///< that ran

  template <typename T, typename Handle>
  T &use(Handle handle, const char *kind, const char *function) {
    auto found = handles.find(handle);
    if (found == handles.end() || found->second != kind)
      violation(std::string(function) + ": no such " + kind + ", or one that was given back");
    return *reinterpret_cast<T *>(handle);
  }
};
FakeState &fakeState();

/// A call of the driver: one at a time, in a thread that has a context. `status` is what it fails with.
class FakeCall {
public:
  explicit FakeCall(const char *function);
  FakeState &state;
  const char *function;
  CudaStatus status;

  /// The stream, which must not be captured.
  FakeStream &stream(CudaStreamHandle handle) const;
  /// What may not be called between the begin and end of a capture, by the thread that makes it.
  void refuseInCapture() const;

private:
  std::scoped_lock<std::mutex> lock;
};

inline constexpr const char *fakeStreamKind = "stream", *fakeEventKind = "event", *fakeGraphKind = "graph",
                            *fakeExecKind = "executable graph", *fakeLibraryKind = "library";

/// Hands out what was made, unless the call fails.
template <typename Handle, typename T>
CudaStatus give(FakeCall &call, Handle *handle, const char *kind, T made) {
  if (call.status)
    return call.status;
  auto *thing = new T(std::move(made));
  ++call.state.gpu.live;
  call.state.handles[thing] = kind;
  *handle = reinterpret_cast<Handle>(thing);
  return cudaSuccess;
}

template <typename T, typename Handle>
CudaStatus take(FakeCall &call, Handle handle, const char *kind) {
  delete &call.state.use<T>(handle, kind, call.function);
  call.state.handles.erase(handle);
  --call.state.gpu.live;
  return cudaSuccess;
}

/// Everything that a GPU would fault on, or that its driver would refuse.
void checkLaunch(const FakeKernel &kernel, const CudaLaunchConfig &config, const FakeLaunch &launch);
void checkPointers(const FakeLaunch &launch);
/// The step arrays as the first kernel of a graph finds them.
void checkStep(const FakeLaunch &launch);
/// Runs them one after another.
void runLaunches(FakeState &state, const std::vector<FakeLaunch> &launches);
/// What launches touch: of arguments all to the end of their allocations, of step arrays the first element.
std::vector<FakeAccess> accessesOf(FakeState &state, const std::vector<FakeLaunch> &launches);

inline constexpr uint64_t fakeTensorMapMark = 0x70616d5f656b6166;

} // namespace sinter::rt
