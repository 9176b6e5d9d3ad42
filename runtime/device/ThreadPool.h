// SPDX-License-Identifier: Apache-2.0
// A persistent team of threads that runs one function together. The calling thread is worker 0. Between runs the others
// spin for a moment, so that the next step starts at once, and then sleep.
#pragma once
#include "runtime/abi/Kernel.h"
#include "runtime/device/Memory.h"
#include <thread>
#include <vector>

namespace sinter::rt {

class ThreadPool {
public:
  /// `scratchBytes` of private memory for each thread, 64-byte aligned.
  static Result<std::unique_ptr<ThreadPool>> create(int threads, uint64_t scratchBytes);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;

  int size() const { return static_cast<int>(workers.size()); }

  /// Calls `function(worker)` once in every thread and returns when all have returned.
  template <typename Function>
  void run(Function &&function) {
    dispatch([](void *context,
                const Worker &worker) { (*static_cast<std::remove_reference_t<Function> *>(context))(worker); },
             &function);
  }

private:
  using Task = void (*)(void *context, const Worker &worker);
  ThreadPool() = default;
  void dispatch(Task newTask, void *newContext);
  void serve(int index);

  Task task = nullptr;
  void *context = nullptr;
  std::vector<Worker> workers;
  std::vector<std::thread> threads; ///< of workers 1 and up
  Memory scratch;
  TeamBarrier barrier;
  alignas(64) std::atomic<uint32_t> round{0}; ///< of dispatches; a change is the signal to start
  bool stopping = false;
};

} // namespace sinter::rt
