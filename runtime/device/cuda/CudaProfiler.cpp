// SPDX-License-Identifier: Apache-2.0
// Peaks of the GPU and of its link.
#include "runtime/device/cuda/CudaProfiler.h"
#include "runtime/device/cuda/CudaUpload.h"

namespace sinter::rt {

double cudaPeakFlops(const CudaDeviceFacts &facts) {
  // bf16 with float32 sums, FLOPs a clock of a multiprocessor. Sources: the architectures' white papers.
  constexpr struct {
    int major, minor;
    double flops;
  } known[] = {{8, 0, 2048}, {8, 6, 512}, {8, 9, 1024}, {9, 0, 4096}, {10, 0, 8192}, {12, 0, 1024}};
  for (const auto &one : known)
    if (one.major == facts.major && one.minor == facts.minor)
      return one.flops * facts.multiprocessors * facts.clockHertz;
  return 0;
}

Result<uint64_t> CudaProfiler::usedBytes() {
  const CudaDriver &driver = executor.device().driver();
  size_t freeBytes = 0, totalBytes = 0;
  if (auto read = driver.call(driver.cuMemGetInfo_v2, &freeBytes, &totalBytes); !read)
    return tl::unexpected(read.error());
  return totalBytes - freeBytes;
}

Result<std::optional<UploadReport>> CudaProfiler::upload() {
  Result<double> link = measureCudaLink(executor.device());
  if (!link)
    return tl::unexpected(link.error());
  return UploadReport{executor.uploadSeconds(), *link};
}

} // namespace sinter::rt
