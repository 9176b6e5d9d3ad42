// SPDX-License-Identifier: Apache-2.0
// The team: a counter that announces work, a barrier that ends it.
#include "runtime/device/ThreadPool.h"
#include <csignal>
#include <memory>
#include <pthread.h>

namespace sinter::rt {
namespace {

/// About as long as sampling and scheduling between two steps of a decode; spinning costs a core meanwhile.
constexpr int spinsBeforeSleep = 20000;

} // namespace

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(int count, uint64_t scratchBytes) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  // Scratch of two threads never shares a page's worth of cache lines.
  uint64_t stride = (scratchBytes + 4095) / 4096 * 4096;
  Result<Memory> scratch =
      Memory::allocate(stride * static_cast<uint64_t>(count), Memory::Pages::Huge, "thread scratch");
  if (!scratch)
    return tl::unexpected(scratch.error());
  pool->scratch = std::move(*scratch);
  for (int index = 0; index < count; ++index)
    pool->workers.push_back(
        {index, count, pool->scratch.data() + stride * static_cast<uint64_t>(index), &pool->barrier});
  // Signals are the calling thread's: the team inherits a mask that blocks them all.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int index = 1; index < count; ++index)
    pool->threads.emplace_back([raw = pool.get(), index] { raw->serve(index); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping = true;
  round.fetch_add(1, std::memory_order_release);
  round.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

void ThreadPool::dispatch(Task newTask, void *newContext) {
  task = newTask;
  context = newContext;
  round.fetch_add(1, std::memory_order_release);
  round.notify_all();
  task(context, workers[0]);
  workers[0].barrier();
}

void ThreadPool::serve(int index) {
  pthread_setname_np(pthread_self(), ("sinter-" + std::to_string(index)).c_str());
  for (uint32_t seen = 0;; ++seen) {
    for (int spins = 0; round.load(std::memory_order_acquire) == seen && spins < spinsBeforeSleep; ++spins)
      __builtin_ia32_pause();
    round.wait(seen, std::memory_order_acquire);
    if (stopping)
      return;
    task(context, workers[static_cast<size_t>(index)]);
    workers[static_cast<size_t>(index)].barrier();
  }
}

} // namespace sinter::rt
