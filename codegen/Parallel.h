// SPDX-License-Identifier: Apache-2.0
// Independent tasks on several threads, until one fails.
#pragma once
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <functional>

namespace sinter {

/// Called from one thread at a time; may be empty.
using OnProgress = std::function<void(size_t done, size_t total)>;

/// Calls `task(i)` for every i below `count`, `jobs` at a time, begun in order. After an error no more are begun; it is
/// the error of one that failed.
llvm::Error parallelFor(size_t count, unsigned jobs, llvm::function_ref<llvm::Error(size_t i)> task,
                        const OnProgress &onProgress = {});

} // namespace sinter
