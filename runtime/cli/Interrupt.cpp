// SPDX-License-Identifier: Apache-2.0
// The signal handler does nothing but set a flag.
#include "runtime/cli/Interrupt.h"
#include <atomic>

namespace sinter::rt {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch lock-free atomics only");

void onInterrupt(int) { interrupted = true; }

} // namespace

InterruptGuard::InterruptGuard() {
  interrupted = false;
  struct sigaction action{};
  action.sa_handler = onInterrupt; // without SA_RESTART: a waiting read returns
  sigaction(SIGINT, &action, &before);
}

InterruptGuard::~InterruptGuard() { sigaction(SIGINT, &before, nullptr); }

bool InterruptGuard::consume() { return interrupted.exchange(false); }

} // namespace sinter::rt
