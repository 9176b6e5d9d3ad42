// SPDX-License-Identifier: Apache-2.0
// Calls, memory and copies of the fake driver. What is asked for is done at once, as if the GPU were infinitely fast,
// but held to what would go wrong if it were not (FakeMemory.h).
#include "tests/runtime/fake_cuda/FakeState.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>

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

} // extern "C"
