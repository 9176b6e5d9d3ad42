// SPDX-License-Identifier: Apache-2.0
// Draws at most ten times a second, first after a third of a second.
#include "runtime/support/ProgressBar.h"
#include <algorithm>
#include <sys/ioctl.h>
#include <unistd.h>

namespace sinter::rt {
namespace {

constexpr std::chrono::milliseconds firstDraw(300), betweenDraws(100);

int columnsOf(std::FILE *stream) {
  winsize size{};
  bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

} // namespace

ProgressBar::ProgressBar(std::string label, uint64_t total, std::FILE *stream)
    : label(std::move(label)), total(total), stream(isatty(fileno(stream)) ? stream : nullptr),
      nextDraw(Clock::now() + firstDraw) {}

ProgressBar::~ProgressBar() {
  if (drawn)
    std::fputs("\r\033[K", stream);
}

std::string ProgressBar::line(const std::string &label, uint64_t done, uint64_t total, int columns) {
  double share = total ? std::min(1.0, static_cast<double>(done) / static_cast<double>(total)) : 1.0;
  std::string percent = std::to_string(static_cast<int>(share * 100));
  percent.insert(0, 3 - percent.size(), ' ');
  int width = std::min(40, columns - static_cast<int>(label.size()) - 10);
  if (width < 4)
    return percent + " %";
  int filled = static_cast<int>(share * width);
  std::string bar(static_cast<size_t>(filled), '=');
  bar.resize(static_cast<size_t>(width), ' ');
  if (filled < width)
    bar[static_cast<size_t>(filled)] = '>';
  return label + " [" + bar + "] " + percent + " %";
}

void ProgressBar::advance(uint64_t more) {
  std::lock_guard lock(mutex);
  done += more;
  if (!stream || Clock::now() < nextDraw)
    return;
  std::fprintf(stream, "\r%s\033[K", line(label, done, total, columnsOf(stream)).c_str());
  std::fflush(stream);
  drawn = true;
  nextDraw = Clock::now() + betweenDraws;
}

} // namespace sinter::rt
