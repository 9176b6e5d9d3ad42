// SPDX-License-Identifier: Apache-2.0
// One line on standard error that shows how far long work is; silent when standard error is no terminal, and for work
// that is over before anybody could read it.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

namespace sinter::rt {

class ProgressBar {
public:
  /// `total` in any unit. Writes to `stream` if it is a terminal.
  ProgressBar(std::string label, uint64_t total, std::FILE *stream = stderr);
  /// Clears the line.
  ~ProgressBar();
  ProgressBar(const ProgressBar &) = delete;

  /// `more` units are done; any thread may say so.
  void advance(uint64_t more);

  /// The line for `done` of `total`: "load [=====>    ]  52 %", at most `columns` long.
  static std::string line(const std::string &label, uint64_t done, uint64_t total, int columns);

private:
  using Clock = std::chrono::steady_clock;
  std::string label;
  uint64_t total, done = 0;
  std::FILE *stream; ///< nullptr: silent
  Clock::time_point nextDraw;
  bool drawn = false;
  std::mutex mutex;
};

} // namespace sinter::rt
