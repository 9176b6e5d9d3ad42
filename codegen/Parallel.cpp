// SPDX-License-Identifier: Apache-2.0
#include "codegen/Parallel.h"
#include <mutex>
#include <thread>
#include <vector>

namespace sinter {

llvm::Error parallelFor(size_t count, unsigned jobs, llvm::function_ref<llvm::Error(size_t i)> task,
                        const OnProgress &onProgress) {
  std::mutex lock;
  std::string failure;
  size_t next = 0, done = 0;
  auto work = [&] {
    std::unique_lock held(lock);
    while (next < count && failure.empty()) {
      size_t i = next++;
      held.unlock();
      llvm::Error error = task(i);
      held.lock();
      if (error)
        failure = llvm::toString(std::move(error));
      if (onProgress)
        onProgress(++done, count);
    }
  };
  std::vector<std::thread> team;
  for (unsigned i = 1; i < std::min<size_t>(jobs, count); ++i)
    team.emplace_back(work);
  work();
  for (std::thread &t : team)
    t.join();
  return failure.empty() ? llvm::Error::success() : llvm::createStringError(failure);
}

} // namespace sinter
