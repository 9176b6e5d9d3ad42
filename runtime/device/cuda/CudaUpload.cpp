// SPDX-License-Identifier: Apache-2.0
// Uploading through a ring of pinned chunks.
#include "runtime/device/cuda/CudaUpload.h"
#include "runtime/support/Clock.h"
#include <algorithm>

namespace sinter::rt {
Result<std::unique_ptr<CudaUpload>> CudaUpload::start(const CudaDevice &device, WeightSource &source, CudaAddress to,
                                                      uint64_t bytes, int threads) {
  std::unique_ptr<CudaUpload> upload(new CudaUpload(device, source, to, bytes));
  upload->started = secondsNow();
  uint64_t chunks = (bytes + chunkBytes - 1) / chunkBytes;
  threads = static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(std::max(threads, 1)), chunks));
  Result<CudaStream> stream = makeCudaStream(device.driver());
  Result<CudaPinned> pinned =
      allocateCudaPinned(device.driver(), static_cast<uint64_t>(threads) * buffers * chunkBytes);
  if (!stream || !pinned)
    return tl::unexpected(stream ? pinned.error() : stream.error());
  upload->stream = std::move(*stream);
  upload->pinned = std::move(*pinned);
  for (int i = 0; i < threads; ++i)
    upload->threads.emplace_back([raw = upload.get(), i] { raw->work(i); });
  return upload;
}

CudaUpload::~CudaUpload() {
  failed = true;
  join();
  if (stream)
    (void)device.driver().cuStreamSynchronize(stream.get()); // the copies read from `pinned`
}

void CudaUpload::join() {
  for (std::thread &thread : threads)
    thread.join();
  threads.clear();
}

void CudaUpload::work(int thread) {
  Result<void> done = device.makeCurrent();
  if (done)
    done = carry(static_cast<std::byte *>(pinned.get()) + static_cast<uint64_t>(thread) * buffers * chunkBytes);
  if (done)
    return;
  std::scoped_lock lock(mutex);
  if (!failed.exchange(true))
    result = done;
}

/// Chunk after chunk through the buffers at `pinned`.
Result<void> CudaUpload::carry(std::byte *memory) {
  const CudaDriver &driver = device.driver();
  CudaEvent copied[buffers];
  for (uint64_t round = 0, offset; !failed && (offset = next.fetch_add(chunkBytes)) < bytes; ++round) {
    CudaEvent &event = copied[round % buffers];
    std::byte *buffer = memory + round % buffers * chunkBytes;
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

Result<double> CudaUpload::finish() {
  join();
  if (!result)
    return tl::unexpected(result.error());
  auto copied = device.driver().call(device.driver().cuStreamSynchronize, stream.get());
  double seconds = secondsNow() - started;
  if (copied)
    copied = source.finish();
  if (!copied)
    return tl::unexpected(copied.error());
  return seconds;
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
