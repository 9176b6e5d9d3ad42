// SPDX-License-Identifier: Apache-2.0
// Cubins, kernels, launches and tensor maps as the fake driver's functions.
#include "tests/runtime/fake_cuda/FakeState.h"
#include <cstdlib>
#include <cstring>

using namespace sinter::rt;

namespace {

constexpr CudaStatus invalidValue = 1, noBinary = 209, notFound = 500, failure = 700;

FakeKernel &kernelOf(FakeCall &call, const void *handle) {
  return call.state.use<FakeKernel>(const_cast<void *>(handle), fakeLibraryKind, call.function);
}

bool isNamedBy(const char *setting, const std::string &kernel) {
  const char *part = getenv(setting);
  return part && kernel.find(part) != std::string::npos;
}

/// What the tensor is in bytes, from its base to the end of its last row.
uint64_t extentOf(uint32_t rank, const uint64_t *dims, const uint64_t *strides) {
  uint64_t extent = dims[0] * 2;
  for (uint32_t d = 1; d < rank; ++d)
    extent += (dims[d] - 1) * strides[d - 1];
  return extent;
}

} // namespace

extern "C" {

CudaStatus cuLibraryLoadData(CudaLibraryHandle *library, const void *cubin, int *, void **, unsigned, int *, void **,
                             unsigned) {
  FakeCall call(__func__);
  auto *kernel = new FakeKernel(readFakeCubin(cubin));
  CudaStatus status = call.status;
  if (!status && kernel->capability / 10 != fakeCapability() / 10 && kernel->capability != 0)
    status = noBinary;
  if (status) {
    delete kernel;
    return status;
  }
  ++call.state.gpu.live;
  call.state.handles[kernel] = fakeLibraryKind;
  *library = reinterpret_cast<CudaLibraryHandle>(kernel);
  return cudaSuccess;
}
CudaStatus cuLibraryUnload(CudaLibraryHandle library) {
  FakeCall call(__func__);
  delete &kernelOf(call, library);
  call.state.handles.erase(library);
  --call.state.gpu.live;
  return cudaSuccess;
}
CudaStatus cuLibraryGetKernel(CudaKernelHandle *kernel, CudaLibraryHandle library, const char *name) {
  FakeCall call(__func__);
  if (kernelOf(call, library).name != name)
    return notFound;
  *kernel = reinterpret_cast<CudaKernelHandle>(library);
  return call.status;
}
CudaStatus cuKernelGetFunction(CudaFunctionHandle *function, CudaKernelHandle kernel) {
  FakeCall call(__func__);
  *function = reinterpret_cast<CudaFunctionHandle>(kernel);
  return call.status;
}
CudaStatus cuFuncSetAttribute(CudaFunctionHandle function, CudaFunctionAttribute attribute, int value) {
  FakeCall call(__func__);
  FakeKernel &kernel = kernelOf(call, function);
  call.state.gpu.attributes[kernel.name][static_cast<int>(attribute)] = value;
  if (attribute == CudaFunctionAttribute::MaxDynamicSharedBytes) {
    if (value + kernel.staticShared > fakeSharedLimit())
      return invalidValue;
    kernel.maxDynamicShared = value;
  } else if (attribute == CudaFunctionAttribute::NonPortableClusterSizeAllowed) {
    kernel.largeClusters = value == 1;
  }
  return call.status;
}
CudaStatus cuLaunchKernelEx(const CudaLaunchConfig *config, CudaFunctionHandle function, void **parameters, void **) {
  FakeCall call(__func__);
  FakeState &state = call.state;
  const FakeKernel &kernel = kernelOf(call, function);
  FakeLaunch launch;
  launch.kernel = kernel.name;
  launch.grid = config->gridX;
  launch.threads = config->blockX;
  launch.sharedBytes = config->dynamicSharedBytes;
  launch.overlaps = config->numAttributes == 1 &&
                    config->attributes->id == CudaLaunchAttribute::Id::ProgrammaticStreamSerialization &&
                    config->attributes->value.allowed == 1;
  launch.step = *static_cast<const CudaStep *>(parameters[0]);
  auto **args = static_cast<void **>(parameters[1]);
  launch.args.assign(args, args + kernel.arguments);
  checkLaunch(kernel, *config, launch);
  if (call.status || isNamedBy("FAKE_CUDA_FAIL_KERNEL", kernel.name))
    return call.status ? call.status : failure;
  auto &stream = state.use<FakeStream>(config->stream, fakeStreamKind, call.function);
  if (state.captured == &stream) {
    state.capture.launches.push_back(std::move(launch));
    return cudaSuccess;
  }
  call.refuseInCapture();
  state.order.add(stream, accessesOf(state, {launch}));
  runLaunches(state, {launch});
  return cudaSuccess;
}
CudaStatus cuTensorMapEncodeTiled(CudaTensorMapImage *image, int, uint32_t rank, void *address, const uint64_t *dims,
                                  const uint64_t *strides, const uint32_t *box, const uint32_t *, int, int swizzle, int,
                                  int) {
  FakeCall call(__func__);
  auto base = reinterpret_cast<uint64_t>(address);
  if (rank < 1 || rank > 5 || base % 16 != 0 || box[0] * 2 % 16 != 0 ||
      (swizzle == cudaTensorSwizzle128 && box[0] * 2 > 128))
    violation("tensor map: rank, base, or the innermost extent of the box is not one that TMA takes");
  for (uint32_t d = 0; d < rank; ++d)
    if (dims[d] == 0 || box[d] == 0 || box[d] > 256 || (d > 0 && strides[d - 1] % 16 != 0))
      violation("tensor map: dimension " + std::to_string(d) + " is not one that TMA takes");
  call.state.memory.require(base, base + extentOf(rank, dims, strides), false, "tensor map");
  *image = {};
  image->opaque[0] = base;
  image->opaque[1] = rank;
  image->opaque[15] = fakeTensorMapMark;
  return call.status;
}

} // extern "C"
