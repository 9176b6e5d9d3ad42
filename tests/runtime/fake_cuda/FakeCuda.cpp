// SPDX-License-Identifier: Apache-2.0
// A libcuda.so.1 for machines without a GPU: reports the driver, the GPUs and the memory that FAKE_CUDA_* say, so that
// every check of the runtime can be made to fail. Memory, streams and graphs are in FakeGpu.cpp, launches in
// FakeLaunch.cpp; what it cannot do is in Unsupported.cpp.
#include "tests/runtime/fake_cuda/FakeState.h"
#include <cstdlib>
#include <cstring>

using namespace sinter::rt;

namespace {

constexpr CudaStatus invalidValue = 1, invalidDevice = 101;
int contexts = 0;

struct ErrorText {
  const char *name, *text;
};
ErrorText describe(CudaStatus status) {
  switch (status) {
  case cudaOutOfMemory:
    return {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"};
  case cudaNoDevice:
    return {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"};
  case 500:
    return {"CUDA_ERROR_NOT_FOUND", "named symbol not found"};
  case 209:
    return {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"};
  case 700:
    return {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"};
  default:
    return {};
  }
}

} // namespace

namespace sinter::rt {

thread_local bool fakeContextIsCurrent = false;

long long fakeSetting(const char *name, long long otherwise) {
  const char *value = getenv(name);
  return value ? atoll(value) : otherwise;
}

int fakeCapability() { return int(fakeSetting("FAKE_CUDA_CAPABILITY", 90)); }

int fakeSharedLimit() {
  switch (fakeCapability()) {
  case 80:
    return 163 << 10;
  case 86:
  case 89:
  case 120:
    return 99 << 10;
  default:
    return 227 << 10;
  }
}

} // namespace sinter::rt

extern "C" {

/// How many references to contexts are held.
int fakeCudaContexts() { return contexts; }

CudaStatus cuDriverGetVersion(int *version) {
  *version = int(fakeSetting("FAKE_CUDA_VERSION", 13000));
  return cudaSuccess;
}
CudaStatus cuInit(unsigned) { return int(fakeSetting("FAKE_CUDA_INIT", cudaSuccess)); }
CudaStatus cuGetErrorName(CudaStatus status, const char **name) {
  *name = describe(status).name;
  return *name ? cudaSuccess : invalidValue;
}
CudaStatus cuGetErrorString(CudaStatus status, const char **text) {
  *text = describe(status).text;
  return *text ? cudaSuccess : invalidValue;
}
CudaStatus cuDeviceGetCount(int *count) {
  *count = int(fakeSetting("FAKE_CUDA_GPUS", 1));
  return cudaSuccess;
}
CudaStatus cuDeviceGet(CudaOrdinal *ordinal, int index) {
  if (index >= fakeSetting("FAKE_CUDA_GPUS", 1))
    return invalidDevice;
  *ordinal = index;
  return cudaSuccess;
}
CudaStatus cuDeviceGetName(char *name, int size, CudaOrdinal) {
  const char *value = getenv("FAKE_CUDA_NAME");
  strncpy(name, value ? value : "Fake GPU", size_t(size) - 1);
  return cudaSuccess;
}
CudaStatus cuDeviceGetAttribute(int *value, CudaDeviceAttribute attribute, CudaOrdinal) {
  int capability = fakeCapability();
  switch (attribute) {
  case CudaDeviceAttribute::CapabilityMajor:
    *value = capability / 10;
    return cudaSuccess;
  case CudaDeviceAttribute::CapabilityMinor:
    *value = capability % 10;
    return cudaSuccess;
  case CudaDeviceAttribute::Multiprocessors:
    *value = int(fakeSetting("FAKE_CUDA_MULTIPROCESSORS", 132));
    return cudaSuccess;
  case CudaDeviceAttribute::ClockKilohertz:
    *value = 1000000;
    return cudaSuccess;
  case CudaDeviceAttribute::L2Bytes:
    *value = 50 << 20;
    return cudaSuccess;
  case CudaDeviceAttribute::MaxSharedBytesPerBlock:
    *value = fakeSharedLimit();
    return cudaSuccess;
  }
  return invalidValue;
}
CudaStatus cuDeviceTotalMem_v2(size_t *bytes, CudaOrdinal) {
  *bytes = size_t(fakeSetting("FAKE_CUDA_TOTAL", 80LL << 30));
  return cudaSuccess;
}
CudaStatus cuDevicePrimaryCtxRetain(CudaContextHandle *context, CudaOrdinal) {
  if (auto status = CudaStatus(fakeSetting("FAKE_CUDA_CONTEXT", cudaSuccess)))
    return status;
  *context = reinterpret_cast<CudaContextHandle>(&contexts);
  ++contexts;
  return cudaSuccess;
}
CudaStatus cuDevicePrimaryCtxRelease_v2(CudaOrdinal) {
  --contexts;
  return cudaSuccess;
}
CudaStatus cuCtxSetCurrent(CudaContextHandle context) {
  if (!contexts)
    violation("cuCtxSetCurrent: no context is held");
  fakeContextIsCurrent = context != nullptr;
  return cudaSuccess;
}
CudaStatus cuMemGetInfo_v2(size_t *freeBytes, size_t *totalBytes) {
  *freeBytes = size_t(fakeSetting("FAKE_CUDA_FREE", 79LL << 30));
  return cuDeviceTotalMem_v2(totalBytes, 0);
}

} // extern "C"
