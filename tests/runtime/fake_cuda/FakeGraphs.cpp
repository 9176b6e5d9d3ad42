// SPDX-License-Identifier: Apache-2.0
// Streams, events and graphs of the fake driver.
#include "tests/runtime/fake_cuda/FakeState.h"
#include <utility>

using namespace sinter::rt;

namespace {

void record(FakeStream &stream, FakeEvent &event) {
  event.recorded = true;
  event.stream = stream.number;
  event.count = stream.clock.of(stream.number);
  event.clock = stream.clock;
}

} // namespace

extern "C" {

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
  if (!graph.launches.empty() && graph.launches.front().step.tokens) // of a body
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
