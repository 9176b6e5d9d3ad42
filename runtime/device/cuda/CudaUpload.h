// SPDX-License-Identifier: Apache-2.0
// The weights on their way into a GPU: threads fill pinned memory, each a piece, while the GPU's copy engine empties
// what is full. The driver serves one caller at a time, so nothing else should ask it for anything meanwhile: loading
// kernels or building graphs beside it took a third of its speed.
#pragma once
#include "runtime/device/WeightSource.h"
#include "runtime/device/cuda/CudaResources.h"
#include "runtime/support/ProgressBar.h"
#include <atomic>
#include <mutex>

namespace sinter::rt {

class CudaUpload {
public:
  /// Carries `bytes` from the source, by `threads` of them, and waits until all is there and checked; the seconds that
  /// it took once pinned memory was there. Shows progress on a terminal.
  static Result<double> run(const CudaDevice &device, WeightSource &source, CudaAddress to, uint64_t bytes,
                            int threads);

private:
  static constexpr uint64_t chunkBytes = 2 * WeightSource::grain;
  /// Of a thread: while one is copied the other is filled.
  static constexpr int buffers = 2;

  CudaUpload(const CudaDevice &device, WeightSource &source, CudaAddress to, uint64_t bytes)
      : device(device), source(source), to(to), bytes(bytes), progress("loading weights", bytes) {}
  /// What a thread does, with `buffers` of pinned memory of its own.
  void work(std::byte *own);
  Result<void> carry(std::byte *own);

  const CudaDevice &device;
  WeightSource &source;
  CudaAddress to;
  uint64_t bytes;
  CudaStream stream;
  ProgressBar progress;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  Result<void> result; ///< the first error; under the mutex
};

/// Bytes a second of one large copy from pinned memory: what an upload is measured against.
Result<double> measureCudaLink(const CudaDevice &device);

} // namespace sinter::rt
