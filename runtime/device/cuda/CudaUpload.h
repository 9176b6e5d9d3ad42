// SPDX-License-Identifier: Apache-2.0
// The weights on their way into a GPU: threads fill pinned memory, each a piece, while the GPU's copy engine empties
// what is full. Everything else of loading goes on beside it.
#pragma once
#include "runtime/device/WeightSource.h"
#include "runtime/device/cuda/CudaResources.h"
#include "runtime/support/ProgressBar.h"
#include <atomic>
#include <mutex>
#include <thread>

namespace sinter::rt {

class CudaUpload {
public:
  /// Starts `threads` of them. Device, source and memory must outlive it; shows progress on a terminal.
  static Result<std::unique_ptr<CudaUpload>> start(const CudaDevice &device, WeightSource &source, CudaAddress to,
                                                   uint64_t bytes, int threads);
  /// Stops early if finish() was not called.
  ~CudaUpload();

  /// Waits until all is there, and checks it; the seconds that it took from start().
  Result<double> finish();

private:
  static constexpr uint64_t chunkBytes = 2 * WeightSource::grain;
  /// Of a thread: while one is copied the other is filled.
  static constexpr int buffers = 2;

  CudaUpload(const CudaDevice &device, WeightSource &source, CudaAddress to, uint64_t bytes)
      : device(device), source(source), to(to), bytes(bytes), progress("loading weights", bytes) {}
  void join();
  void work(int thread);
  Result<void> carry(std::byte *pinned);

  const CudaDevice &device;
  WeightSource &source;
  CudaAddress to;
  uint64_t bytes;
  CudaStream stream;
  CudaPinned pinned;
  ProgressBar progress;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  Result<void> result; ///< the first error; under the mutex
  double started = 0;
  std::vector<std::thread> threads;
};

/// Bytes a second of one large copy from pinned memory: what an upload is measured against.
Result<double> measureCudaLink(const CudaDevice &device);

} // namespace sinter::rt
