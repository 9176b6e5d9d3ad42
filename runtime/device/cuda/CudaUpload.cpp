// SPDX-License-Identifier: Apache-2.0
// Uploading through a ring of pinned chunks.
#include "runtime/device/cuda/CudaUpload.h"
#include "runtime/support/Clock.h"
#include <algorithm>
#include <thread>
#include <vector>

namespace sinter::rt {

Result<double> CudaUpload::run(const CudaDevice &device, WeightSource &source, CudaAddress to, uint64_t bytes,
                               int threads) {
  double began = secondsNow();
  CudaUpload upload(device, source, to, bytes);
  Result<CudaStream> stream = makeCudaStream(device.driver());
  if (!stream)
    return tl::unexpected(stream.error());
  upload.stream = std::move(*stream);
  uint64_t chunks = (bytes + chunkBytes - 1) / chunkBytes;
  std::vector<CudaPinned> pinned(std::min<uint64_t>(static_cast<uint64_t>(std::max(threads, 1)), chunks));
  std::vector<std::thread> workers;
  for (CudaPinned &own : pinned)
    workers.emplace_back([&upload, &own] { upload.work(own); });
  for (std::thread &worker : workers)
    worker.join();
  // Copies read from `pinned` until then, whatever has failed.
  auto copied = device.driver().call(device.driver().cuStreamSynchronize, upload.stream.get());
  double seconds = secondsNow() - began;
  auto done = upload.result.and_then([&] { return copied; }).and_then([&] { return source.finish(); });
  if (!done)
    return tl::unexpected(done.error());
  return seconds;
}

void CudaUpload::work(CudaPinned &pinned) {
  Result<void> done = device.makeCurrent().and_then([&] { return carry(pinned); });
  if (done)
    return;
  std::scoped_lock lock(mutex);
  if (!failed.exchange(true))
    result = done;
}

/// Chunk after chunk through buffers that this thread pins for itself, beside those of others.
Result<void> CudaUpload::carry(CudaPinned &pinned) {
  const CudaDriver &driver = device.driver();
  Result<CudaPinned> memory = allocateCudaPinned(driver, buffers * chunkBytes);
  if (!memory)
    return tl::unexpected(memory.error());
  pinned = std::move(*memory);
  CudaEvent copied[buffers];
  for (uint64_t round = 0, offset; !failed && (offset = next.fetch_add(chunkBytes)) < bytes; ++round) {
    CudaEvent &event = copied[round % buffers];
    std::byte *buffer = static_cast<std::byte *>(pinned.get()) + round % buffers * chunkBytes;
    if (event) {
      if (auto waited = driver.call(driver.cuEventSynchronize, event.get()); !waited)
        return waited;
    } else {
      Result<CudaEvent> made = makeCudaEvent(driver, cudaEventNoTiming);
      if (!made)
        return tl::unexpected(made.error());
      event = std::move(*made);
    }
    uint64_t length = std::min(chunkBytes, bytes - offset);
    if (auto read = source.read(offset, {buffer, length}); !read)
      return read;
    auto copying = driver.call(driver.cuMemcpyHtoDAsync_v2, to + offset, buffer, length, stream.get()).and_then([&] {
      return driver.call(driver.cuEventRecord, event.get(), stream.get());
    });
    if (!copying)
      return copying;
    progress.advance(length);
  }
  return {};
}

Result<double> measureCudaLink(const CudaDevice &device) {
  constexpr uint64_t bytes = uint64_t{256} << 20;
  constexpr int passes = 4;
  const CudaDriver &driver = device.driver();
  Result<CudaMemory> memory = allocateCudaMemory(driver, bytes, "measuring the link");
  Result<CudaPinned> pinned = allocateCudaPinned(driver, bytes);
  Result<CudaStream> stream = makeCudaStream(driver);
  for (const Error *error :
       {memory ? nullptr : &memory.error(), pinned ? nullptr : &pinned.error(), stream ? nullptr : &stream.error()})
    if (error)
      return tl::unexpected(*error);
  double best = 0;
  for (int pass = 0; pass < passes; ++pass) {
    double begin = secondsNow();
    auto copied =
        driver.call(driver.cuMemcpyHtoDAsync_v2, memory->get(), pinned->get(), bytes, stream->get()).and_then([&] {
          return driver.call(driver.cuStreamSynchronize, stream->get());
        });
    if (!copied)
      return tl::unexpected(copied.error());
    best = std::max(best, static_cast<double>(bytes) / (secondsNow() - begin));
  }
  return best;
}

} // namespace sinter::rt
