// SPDX-License-Identifier: Apache-2.0
// Time that only goes forward.
#pragma once
#include <chrono>

namespace sinter::rt {

/// Seconds since some moment: differences mean something.
inline double secondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace sinter::rt
