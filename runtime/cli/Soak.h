// SPDX-License-Identifier: Apache-2.0
// Random work for an engine, with everything that is kept in order checked after every step.
#pragma once
#include "runtime/device/Profiler.h"
#include "runtime/engine/Engine.h"

namespace sinter::rt {

struct SoakOptions {
  int32_t steps = 10000;
  uint32_t seed = 1;
};

struct SoakReport {
  EngineStats stats;
  int64_t graphs = 0; ///< that the device has for steps, from a tenth of them on
  /// Bytes in use after a tenth of the steps, when everything has been used once, and at the end.
  uint64_t usedEarly = 0, usedLate = 0;
};

/// Growth of the memory in use that is no error. Pages that are first touched, and what a driver keeps for itself.
constexpr uint64_t soakGrowthAllowed = 32 << 20;

/// Requests of random lengths and sampling come and are cancelled at random; some have a prefix in common. An error: an
/// invariant of scheduler or blocks that does not hold, blocks that are lost, a request that fails, memory that grows
/// by more than soakGrowthAllowed, logits of a fixed prompt that are not the same afterwards.
Result<SoakReport> soak(const SoakOptions &options, Executor &executor, Profiler &profiler);

} // namespace sinter::rt
