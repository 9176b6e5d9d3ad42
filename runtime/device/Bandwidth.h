// SPDX-License-Identifier: Apache-2.0
// How fast this machine's memory can be read: the roof over every kernel that streams weights.
#pragma once
#include "runtime/device/ThreadPool.h"

namespace sinter::rt {

/// Bytes a second of the whole team, each thread reading its own contiguous part of `bytes` of memory, the best of
/// `passes`. `bytes` should be several times the last-level cache.
Result<double> measureReadBandwidth(ThreadPool &pool, uint64_t bytes = uint64_t{256} << 20, int passes = 8);

} // namespace sinter::rt
