// SPDX-License-Identifier: Apache-2.0
// Memory, copies, streams, events and graphs of the fake driver. What is asked for is done at once, as if the GPU were
// infinitely fast, but held to what would go wrong if it were not (FakeMemory.h).
#include "tests/runtime/fake_cuda/FakeState.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

using namespace sinter::rt;

namespace {

constexpr CudaStatus failure = 700;

CudaStatus statusOf(FakeState &state, const std::string &function) {
  if (state.lost || state.gpu.failing == function)
    return failure;
  int call = ++state.calls[function];
  const char *setting = getenv("FAKE_CUDA_FAIL");
  if (!setting)
    return cudaSuccess;
  std::string failing = setting;
  size_t colon = failing.find(':');
  int first = colon == std::string::npos ? 1 : atoi(failing.c_str() + colon + 1);
  return failing.substr(0, colon) == function && call >= first ? failure : cudaSuccess;
}

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

CudaStatus allocate(FakeCall &call, uint64_t &address, size_t bytes, bool host) {
  call.refuseInCapture();
  if (bytes == 0)
    violation(std::string(call.function) + ": no bytes");
  if (call.status)
    return call.status;
  ++call.state.gpu.live;
  address = call.state.memory.allocate(bytes, host);
  return cudaSuccess;
}

CudaStatus release(FakeCall &call, uint64_t address) {
  call.refuseInCapture();
  if (const FakeAllocation *memory = call.state.memory.find(address))
    call.state.order.requireUnused(*memory);
  call.state.memory.release(address);
  --call.state.gpu.live;
  return cudaSuccess;
}

std::string copyName(const char *function, size_t bytes) {
  return std::string(function) + " of " + std::to_string(bytes) + " bytes";
}

void record(FakeStream &stream, FakeEvent &event) {
  event.recorded = true;
  event.stream = stream.number;
  event.count = stream.clock.of(stream.number);
  event.clock = stream.clock;
}

void writeReport(const FakeState &state) {
  const char *path = getenv("FAKE_CUDA_REPORT");
  std::FILE *file = path ? std::fopen(path, "w") : nullptr;
  if (!file)
    return;
  std::fprintf(file, "{\"live\": %d, \"captures\": %d, \"graph_launches\": %lld, \"launches\": %lld, \"copies\": %lld",
               state.gpu.live, state.gpu.captures, static_cast<long long>(state.graphLaunches),
               static_cast<long long>(state.launches), static_cast<long long>(state.copies));
  std::fprintf(file, ", \"kernels\": [");
  for (const std::string &kernel : state.kernels)
    std::fprintf(file, "%s\"%s\"", &kernel == &*state.kernels.begin() ? "" : ", ", kernel.c_str());
  std::fprintf(file, "]}\n");
  std::fclose(file);
}

} // namespace

namespace sinter::rt {

FakeState &fakeState() {
  static auto *state = [] { // never destroyed: others may still give things back
    std::atexit([] { writeReport(fakeState()); });
    return new FakeState;
  }();
  return *state;
}

FakeCall::FakeCall(const char *function) : state(fakeState()), function(function), lock(state.mutex) {
  if (!fakeContextIsCurrent)
    violation(std::string(function) + ": called by a thread without a context");
  status = statusOf(state, function);
}

FakeStream &FakeCall::stream(CudaStreamHandle handle) const {
  auto &stream = state.use<FakeStream>(handle, fakeStreamKind, function);
  if (&stream == state.captured)
    violation(std::string(function) + ": not on a stream that is captured");
  return stream;
}

void FakeCall::refuseInCapture() const {
  if (state.captured && state.capturing == std::this_thread::get_id())
    violation(std::string(function) + ": not while this thread captures a stream");
}

} // namespace sinter::rt

extern "C" {

FakeGpu *fakeCudaGpu() { return &fakeState().gpu; }

CudaStatus cuMemAlloc_v2(CudaAddress *address, size_t bytes) {
  FakeCall call(__func__);
  return allocate(call, *address, bytes, false);
}
CudaStatus cuMemFree_v2(CudaAddress address) {
  FakeCall call(__func__);
  return release(call, address);
}
CudaStatus cuMemHostAlloc(void **pinned, size_t bytes, unsigned) {
  FakeCall call(__func__);
  uint64_t address = 0;
  CudaStatus status = allocate(call, address, bytes, true);
  *pinned = reinterpret_cast<void *>(address);
  return status;
}
CudaStatus cuMemFreeHost(void *pinned) {
  FakeCall call(__func__);
  return release(call, reinterpret_cast<uint64_t>(pinned));
}
CudaStatus cuMemcpyHtoDAsync_v2(CudaAddress to, const void *from, size_t bytes, CudaStreamHandle handle) {
  FakeCall call(__func__);
  std::string what = copyName(call.function, bytes);
  auto source = reinterpret_cast<uint64_t>(from);
  FakeStream &stream = call.stream(handle);
  FakeAllocation &target = call.state.memory.require(to, to + bytes, false, what);
  call.state.memory.require(source, source + bytes, true, what);
  if (call.status)
    return call.status;
  call.state.order.add(stream, {{source, source + bytes, false, what}, {to, to + bytes, true, what}}, /*watch=*/true);
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  target.tensorMaps = target.tensorMaps || (bytes >= sizeof(CudaTensorMapImage) &&
                                            static_cast<const uint64_t *>(from)[15] == fakeTensorMapMark);
  call.state.gpu.uploads.push_back(bytes);
  ++call.state.copies;
  return cudaSuccess;
}
CudaStatus cuMemcpyDtoHAsync_v2(void *to, CudaAddress from, size_t bytes, CudaStreamHandle handle) {
  FakeCall call(__func__);
  std::string what = copyName(call.function, bytes);
  auto target = reinterpret_cast<uint64_t>(to);
  FakeStream &stream = call.stream(handle);
  call.state.memory.require(from, from + bytes, false, what);
  call.state.memory.require(target, target + bytes, true, what);
  if (call.status)
    return call.status;
  const auto *source = reinterpret_cast<const std::byte *>(from);
  call.state.order.add(stream, {{target, target + bytes, true, what}, {from, from + bytes, false, what}},
                       /*watch=*/false, {source, source + bytes});
  ++call.state.copies;
  return cudaSuccess;
}
CudaStatus cuMemsetD8Async(CudaAddress to, unsigned char value, size_t bytes, CudaStreamHandle handle) {
  FakeCall call(__func__);
  FakeStream &stream = call.stream(handle);
  call.state.memory.require(to, to + bytes, false, call.function);
  if (call.status)
    return call.status;
  call.state.order.add(stream, {{to, to + bytes, true, call.function}});
  std::memset(reinterpret_cast<void *>(to), value, bytes);
  return cudaSuccess;
}

CudaStatus cuStreamCreate(CudaStreamHandle *stream, unsigned) {
  FakeCall call(__func__);
  return give(call, stream, fakeStreamKind, FakeStream{call.state.streams++, {}});
}
CudaStatus cuStreamDestroy_v2(CudaStreamHandle stream) {
  FakeCall call(__func__);
  (void)call.stream(stream);
  return take<FakeStream>(call, stream, fakeStreamKind);
}
CudaStatus cuStreamSynchronize(CudaStreamHandle stream) {
  FakeCall call(__func__);
  call.refuseInCapture();
  call.state.order.hostWaits(call.stream(stream).clock);
  return call.status;
}
CudaStatus cuStreamWaitEvent(CudaStreamHandle stream, CudaEventHandle event, unsigned) {
  FakeCall call(__func__);
  call.stream(stream).clock.join(call.state.use<FakeEvent>(event, fakeEventKind, call.function).clock);
  return call.status;
}
CudaStatus cuStreamBeginCapture_v2(CudaStreamHandle stream, CudaCaptureMode) {
  FakeCall call(__func__);
  if (call.state.captured)
    violation("cuStreamBeginCapture: another capture has not ended");
  if (call.status)
    return call.status;
  call.state.captured = &call.stream(stream);
  call.state.capturing = std::this_thread::get_id();
  call.state.capture = {};
  ++call.state.gpu.captures;
  return cudaSuccess;
}
CudaStatus cuStreamEndCapture(CudaStreamHandle stream, CudaGraphHandle *graph) {
  FakeCall call(__func__);
  if (&call.state.use<FakeStream>(stream, fakeStreamKind, call.function) != call.state.captured)
    violation("cuStreamEndCapture: the stream is not captured");
  call.state.captured = nullptr;
  return give(call, graph, fakeGraphKind, std::exchange(call.state.capture, {}));
}

CudaStatus cuEventCreate(CudaEventHandle *event, unsigned flags) {
  FakeCall call(__func__);
  FakeEvent made;
  made.timed = (flags & cudaEventNoTiming) == 0;
  return give(call, event, fakeEventKind, made);
}
CudaStatus cuEventDestroy_v2(CudaEventHandle event) {
  FakeCall call(__func__);
  return take<FakeEvent>(call, event, fakeEventKind);
}
CudaStatus cuEventRecord(CudaEventHandle event, CudaStreamHandle stream) {
  FakeCall call(__func__);
  record(call.stream(stream), call.state.use<FakeEvent>(event, fakeEventKind, call.function));
  return call.status;
}
CudaStatus cuEventRecordWithFlags(CudaEventHandle handle, CudaStreamHandle stream, unsigned flags) {
  FakeCall call(__func__);
  auto &event = call.state.use<FakeEvent>(handle, fakeEventKind, call.function);
  if (&call.state.use<FakeStream>(stream, fakeStreamKind, call.function) != call.state.captured)
    record(call.stream(stream), event);
  else if (flags == cudaEventRecordExternal)
    call.state.capture.events.push_back(&event);
  else
    violation("cuEventRecordWithFlags: in a capture, an event that others read must be external");
  return call.status;
}
CudaStatus cuEventSynchronize(CudaEventHandle event) {
  FakeCall call(__func__);
  call.state.order.hostWaits(call.state.use<FakeEvent>(event, fakeEventKind, call.function).clock);
  return call.status;
}
CudaStatus cuEventElapsedTime_v2(float *milliseconds, CudaEventHandle begin, CudaEventHandle end) {
  FakeCall call(__func__);
  for (CudaEventHandle handle : {begin, end}) {
    const auto &event = call.state.use<FakeEvent>(handle, fakeEventKind, call.function);
    if (!event.timed || !event.recorded || !call.state.order.host.has(event.stream, event.count))
      violation("cuEventElapsedTime: an event without time, or that nobody has waited for");
  }
  *milliseconds = 1;
  return call.status;
}

CudaStatus cuGraphInstantiateWithFlags(CudaGraphExecHandle *exec, CudaGraphHandle graph, unsigned long long) {
  FakeCall call(__func__);
  return give(call, exec, fakeExecKind, FakeGraph(call.state.use<FakeGraph>(graph, fakeGraphKind, call.function)));
}
CudaStatus cuGraphUpload(CudaGraphExecHandle exec, CudaStreamHandle stream) {
  FakeCall call(__func__);
  (void)call.state.use<FakeGraph>(exec, fakeExecKind, call.function);
  (void)call.stream(stream);
  return call.status;
}
CudaStatus cuGraphLaunch(CudaGraphExecHandle exec, CudaStreamHandle handle) {
  FakeCall call(__func__);
  FakeState &state = call.state;
  auto &graph = state.use<FakeGraph>(exec, fakeExecKind, call.function);
  FakeStream &stream = call.stream(handle);
  if (call.status)
    return call.status;
  if (graph.releases != state.memory.releases)
    for (const FakeLaunch &launch : graph.launches)
      checkPointers(launch);
  graph.releases = state.memory.releases;
  state.order.add(stream, accessesOf(state, graph.launches));
  for (FakeEvent *event : graph.events)
    record(stream, *event);
  ++state.graphLaunches;
  if (!graph.launches.empty())
    checkStep(graph.launches.front());
  runLaunches(state, graph.launches);
  return cudaSuccess;
}
CudaStatus cuGraphExecDestroy(CudaGraphExecHandle exec) {
  FakeCall call(__func__);
  return take<FakeGraph>(call, exec, fakeExecKind);
}
CudaStatus cuGraphDestroy(CudaGraphHandle graph) {
  FakeCall call(__func__);
  return take<FakeGraph>(call, graph, fakeGraphKind);
}

} // extern "C"
