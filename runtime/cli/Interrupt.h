// SPDX-License-Identifier: Apache-2.0
// Ctrl-C as something to ask about, for as long as one of these lives: `chat` stops an answer with it and not the
// program.
#pragma once
#include <csignal>

namespace sinter::rt {

class InterruptGuard {
public:
  /// SIGINT sets a flag from now on, and makes a read that is waiting for input return.
  InterruptGuard();
  /// What SIGINT did before, it does again.
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard &) = delete;

  /// Whether SIGINT came since the last call.
  bool consume();

private:
  struct sigaction before;
};

} // namespace sinter::rt
