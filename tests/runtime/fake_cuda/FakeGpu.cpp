// SPDX-License-Identifier: Apache-2.0
// Memory, copies, streams, kernels and graphs of the fake driver. Everything is done when it is asked for, as if the
// GPU were infinitely fast; several threads may copy.
#include "tests/runtime/fake_cuda/FakeGpu.h"
#include "runtime/device/cuda/CudaApi.h"
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sstream>
#include <utility>

using namespace sinter::rt;

namespace {

struct Library {
  std::string kernel;
  size_t arguments = 0;
};
using Graph = std::vector<FakeLaunch>;

FakeGpu gpu;
std::mutex mutex;
CudaStreamHandle captured = nullptr;
Graph capture;

constexpr CudaStatus notFound = 500, failure = 700;

CudaStatus statusOf(const char *function) { return gpu.failing == function ? failure : cudaSuccess; }

template <typename Handle, typename T>
CudaStatus give(const char *function, Handle *handle, T *thing) {
  if (CudaStatus status = statusOf(function)) {
    delete thing;
    return status;
  }
  std::scoped_lock lock(mutex);
  ++gpu.live;
  *handle = reinterpret_cast<Handle>(thing);
  return cudaSuccess;
}

template <typename T, typename Handle>
CudaStatus take(Handle handle) {
  std::scoped_lock lock(mutex);
  --gpu.live;
  delete reinterpret_cast<T *>(handle);
  return cudaSuccess;
}

CudaStatus allocate(const char *function, void **memory, size_t bytes) {
  if (CudaStatus status = statusOf(function))
    return status;
  std::scoped_lock lock(mutex);
  ++gpu.live;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*memory, 0xFF, bytes); // what nobody wrote is NaN
  return cudaSuccess;
}

CudaStatus release(void *memory) {
  std::scoped_lock lock(mutex);
  --gpu.live;
  std::free(memory);
  return cudaSuccess;
}

void run(const Graph &graph) {
  for (const FakeLaunch &launch : graph)
    if (gpu.kernels)
      gpu.kernels(launch);
}

} // namespace

extern "C" {

FakeGpu *fakeCudaGpu() { return &gpu; }

CudaStatus cuMemAlloc_v2(CudaAddress *address, size_t bytes) {
  return allocate(__func__, reinterpret_cast<void **>(address), bytes);
}
CudaStatus cuMemFree_v2(CudaAddress address) { return release(reinterpret_cast<void *>(address)); }
CudaStatus cuMemHostAlloc(void **pinned, size_t bytes, unsigned) { return allocate(__func__, pinned, bytes); }
CudaStatus cuMemFreeHost(void *pinned) { return release(pinned); }
CudaStatus cuMemcpyHtoDAsync_v2(CudaAddress to, const void *from, size_t bytes, CudaStreamHandle) {
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  std::scoped_lock lock(mutex);
  gpu.uploads.push_back(bytes);
  return statusOf(__func__);
}
CudaStatus cuMemcpyDtoHAsync_v2(void *to, CudaAddress from, size_t bytes, CudaStreamHandle) {
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return statusOf(__func__);
}
CudaStatus cuMemsetD8Async(CudaAddress to, unsigned char value, size_t bytes, CudaStreamHandle) {
  std::memset(reinterpret_cast<void *>(to), value, bytes);
  return statusOf(__func__);
}

CudaStatus cuLibraryLoadData(CudaLibraryHandle *library, const void *cubin, int *, void **, unsigned, int *, void **,
                             unsigned) {
  auto *made = new Library;
  std::istringstream(static_cast<const char *>(cubin)) >> made->kernel >> made->arguments;
  return give(__func__, library, made);
}
CudaStatus cuLibraryUnload(CudaLibraryHandle library) { return take<Library>(library); }
CudaStatus cuLibraryGetKernel(CudaKernelHandle *kernel, CudaLibraryHandle library, const char *name) {
  if (reinterpret_cast<Library *>(library)->kernel != name)
    return notFound;
  *kernel = reinterpret_cast<CudaKernelHandle>(library);
  return statusOf(__func__);
}
CudaStatus cuKernelGetFunction(CudaFunctionHandle *function, CudaKernelHandle kernel) {
  *function = reinterpret_cast<CudaFunctionHandle>(kernel);
  return statusOf(__func__);
}
CudaStatus cuFuncSetAttribute(CudaFunctionHandle function, CudaFunctionAttribute attribute, int value) {
  gpu.attributes[reinterpret_cast<const Library *>(function)->kernel][static_cast<int>(attribute)] = value;
  return statusOf(__func__);
}
CudaStatus cuLaunchKernelEx(const CudaLaunchConfig *config, CudaFunctionHandle function, void **parameters, void **) {
  const auto *library = reinterpret_cast<const Library *>(function);
  FakeLaunch launch;
  launch.kernel = library->kernel;
  launch.grid = config->gridX;
  launch.threads = config->blockX;
  launch.sharedBytes = config->dynamicSharedBytes;
  launch.overlaps = config->numAttributes == 1 &&
                    config->attributes->id == CudaLaunchAttribute::Id::ProgrammaticStreamSerialization &&
                    config->attributes->value.allowed == 1;
  launch.step = *static_cast<const CudaStep *>(parameters[0]);
  auto **args = static_cast<void **>(parameters[1]);
  launch.args.assign(args, args + library->arguments);
  if (captured == config->stream)
    capture.push_back(std::move(launch));
  else
    run({launch});
  return statusOf(__func__);
}
CudaStatus cuTensorMapEncodeTiled(CudaTensorMapImage *image, int, uint32_t rank, void *address, const uint64_t *,
                                  const uint64_t *, const uint32_t *, const uint32_t *, int, int, int, int) {
  image->opaque[0] = reinterpret_cast<uint64_t>(address);
  image->opaque[1] = rank;
  return statusOf(__func__);
}

CudaStatus cuStreamCreate(CudaStreamHandle *stream, unsigned) { return give(__func__, stream, new int(0)); }
CudaStatus cuStreamDestroy_v2(CudaStreamHandle stream) { return take<int>(stream); }
CudaStatus cuStreamSynchronize(CudaStreamHandle) { return statusOf(__func__); }
CudaStatus cuStreamWaitEvent(CudaStreamHandle, CudaEventHandle, unsigned) { return statusOf(__func__); }
CudaStatus cuStreamBeginCapture_v2(CudaStreamHandle stream, CudaCaptureMode) {
  captured = stream;
  ++gpu.captures;
  return statusOf(__func__);
}
CudaStatus cuStreamEndCapture(CudaStreamHandle, CudaGraphHandle *graph) {
  captured = nullptr;
  return give(__func__, graph, new Graph(std::exchange(capture, {})));
}
CudaStatus cuEventCreate(CudaEventHandle *event, unsigned) { return give(__func__, event, new int(0)); }
CudaStatus cuEventDestroy_v2(CudaEventHandle event) { return take<int>(event); }
CudaStatus cuEventRecord(CudaEventHandle, CudaStreamHandle) { return statusOf(__func__); }
CudaStatus cuEventRecordWithFlags(CudaEventHandle, CudaStreamHandle, unsigned) { return statusOf(__func__); }
CudaStatus cuEventSynchronize(CudaEventHandle) { return statusOf(__func__); }
CudaStatus cuEventElapsedTime_v2(float *milliseconds, CudaEventHandle, CudaEventHandle) {
  *milliseconds = 1;
  return statusOf(__func__);
}
CudaStatus cuGraphInstantiateWithFlags(CudaGraphExecHandle *exec, CudaGraphHandle graph, unsigned long long) {
  return give(__func__, exec, new Graph(*reinterpret_cast<Graph *>(graph)));
}
CudaStatus cuGraphUpload(CudaGraphExecHandle, CudaStreamHandle) { return statusOf(__func__); }
CudaStatus cuGraphLaunch(CudaGraphExecHandle exec, CudaStreamHandle) {
  run(*reinterpret_cast<Graph *>(exec));
  return statusOf(__func__);
}
CudaStatus cuGraphExecDestroy(CudaGraphExecHandle exec) { return take<Graph>(exec); }
CudaStatus cuGraphDestroy(CudaGraphHandle graph) { return take<Graph>(graph); }

} // extern "C"
