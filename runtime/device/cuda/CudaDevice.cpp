// SPDX-License-Identifier: Apache-2.0
// The checks, in the order in which they get expensive: a context takes a moment and memory.
#include "runtime/device/cuda/CudaDevice.h"
#include "runtime/support/Format.h"
#include <charconv>

namespace sinter::rt {

bool runsOnCapability(std::string_view architecture, int major, int minor) {
  constexpr std::string_view prefix = "sm_";
  if (!architecture.starts_with(prefix))
    return false;
  const char *begin = architecture.data() + prefix.size(), *end = architecture.data() + architecture.size();
  int number = 0;
  auto [rest, error] = std::from_chars(begin, end, number);
  if (error != std::errc())
    return false;
  bool exact = rest != end;
  return number / 10 == major && (exact ? number % 10 == minor : number % 10 <= minor);
}

Result<CudaDevice> CudaDevice::open(const CudaDriver &driver, const CudaNeeds &needs, int index) {
  int count = 0;
  if (auto counted = driver.call(driver.cuDeviceGetCount, &count); !counted)
    return tl::unexpected(counted.error());
  if (count == 0)
    return fail("no GPU: the CUDA driver finds none");
  if (index < 0 || index >= count)
    return fail("no GPU " + std::to_string(index) + ": the CUDA driver finds " + std::to_string(count));
  CudaOrdinal ordinal = 0;
  if (auto found = driver.call(driver.cuDeviceGet, &ordinal, index); !found)
    return tl::unexpected(found.error());

  CudaDevice device(driver, ordinal);
  auto checked = device.readFacts()
                     .and_then([&] { return device.checkArchitecture(needs); })
                     .and_then([&] { return device.openContext(); })
                     .and_then([&] { return device.checkMemory(needs); });
  if (!checked)
    return tl::unexpected(checked.error());
  return device;
}

Result<void> CudaDevice::readFacts() {
  int l2 = 0, shared = 0, kilohertz = 0;
  size_t total = 0;
  const std::pair<CudaDeviceAttribute, int *> attributes[] = {
      {CudaDeviceAttribute::CapabilityMajor, &known.major},
      {CudaDeviceAttribute::CapabilityMinor, &known.minor},
      {CudaDeviceAttribute::Multiprocessors, &known.multiprocessors},
      {CudaDeviceAttribute::L2Bytes, &l2},
      {CudaDeviceAttribute::ClockKilohertz, &kilohertz},
      {CudaDeviceAttribute::MaxSharedBytesPerBlock, &shared},
  };
  for (auto [attribute, value] : attributes)
    if (auto read = cuda->call(cuda->cuDeviceGetAttribute, value, attribute, ordinal); !read)
      return read;
  char name[256] = {};
  if (auto read = cuda->call(cuda->cuDeviceGetName, name, int(sizeof name), ordinal); !read)
    return read;
  if (auto read = cuda->call(cuda->cuDeviceTotalMem_v2, &total, ordinal); !read)
    return read;
  known.name = name;
  known.l2Bytes = l2;
  known.clockHertz = 1e3 * kilohertz;
  known.maxSharedBytesPerBlock = shared;
  known.totalBytes = total;
  return {};
}

Result<void> CudaDevice::checkArchitecture(const CudaNeeds &needs) const {
  if (runsOnCapability(needs.architecture, known.major, known.minor))
    return {};
  return fail("built for " + needs.architecture + ", this GPU is " + known.architecture() + " (" + known.name + ")");
}

Result<void> CudaDevice::openContext() {
  if (auto retained = cuda->call(cuda->cuDevicePrimaryCtxRetain, &context, ordinal); !retained)
    return retained;
  return makeCurrent();
}

Result<void> CudaDevice::checkMemory(const CudaNeeds &needs) {
  size_t freeBytes = 0, totalBytes = 0;
  if (auto read = cuda->call(cuda->cuMemGetInfo_v2, &freeBytes, &totalBytes); !read)
    return read;
  known.freeBytes = freeBytes;
  if (needs.memoryBytes <= freeBytes)
    return {};
  return fail("memory of the GPU will not suffice: " + formatBytes(needs.memoryBytes) + " are needed, " +
              formatBytes(freeBytes) + " of " + formatBytes(known.totalBytes) + " are free (" + known.name + ")");
}

CudaDevice::CudaDevice(CudaDevice &&other) noexcept
    : cuda(other.cuda), ordinal(other.ordinal), context(std::exchange(other.context, nullptr)),
      known(std::move(other.known)) {}

CudaDevice &CudaDevice::operator=(CudaDevice &&other) noexcept {
  if (this != &other) {
    release();
    cuda = other.cuda;
    ordinal = other.ordinal;
    context = std::exchange(other.context, nullptr);
    known = std::move(other.known);
  }
  return *this;
}

void CudaDevice::release() {
  if (context)
    (void)cuda->cuDevicePrimaryCtxRelease_v2(ordinal);
  context = nullptr;
}

} // namespace sinter::rt
