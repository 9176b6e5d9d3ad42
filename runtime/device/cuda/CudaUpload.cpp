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
  uint64_t chunks = std::max<uint64_t>((bytes + chunkBytes - 1) / chunkBytes, 1);
  uint64_t workers = std::min(static_cast<uint64_t>(std::max(threads, 1)), chunks), share = buffers * chunkBytes;
  Result<CudaPinned> ring = allocateCudaPinned(device.driver(), workers * share);
  if (!ring)
    return tl::unexpected(ring.error());
  double began = secondsNow();
  CudaUpload upload(device, source, to, bytes);
  Result<CudaStream> stream = makeCudaStream(device.driver());
  if (!stream)
    return tl::unexpected(stream.error());
  upload.stream = std::move(*stream);
  std::vector<std::thread> running;
  for (uint64_t i = 0; i < workers; ++i)
    running.emplace_back([&, own = static_cast<std::byte *>(ring->get()) + i * share] { upload.work(own); });
  for (std::thread &worker : running)
    worker.join();
  // Copies read from the ring until then, whatever has failed.
  auto copied = device.driver().call(device.driver().cuStreamSynchronize, upload.stream.get());
  double seconds = secondsNow() - began;
  auto done = upload.result.and_then([&] { return copied; }).and_then([&] { return source.finish(); });
  if (!done)
    return tl::unexpected(done.error());
  return seconds;
}

void CudaUpload::work(std::byte *own) {
  Result<void> done = device.makeCurrent().and_then([&] { return carry(own); });
  if (done)
    return;
  std::scoped_lock lock(mutex);
  if (!failed.exchange(true))
    result = done;
}

/// Chunk after chunk through this thread's buffers.
Result<void> CudaUpload::carry(std::byte *own) {
  const CudaDriver &driver = device.driver();
  CudaEvent copied[buffers];
  for (uint64_t round = 0, offset; !failed && (offset = next.fetch_add(chunkBytes)) < bytes; ++round) {
    CudaEvent &event = copied[round % buffers];
    std::byte *buffer = own + round % buffers * chunkBytes;
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
