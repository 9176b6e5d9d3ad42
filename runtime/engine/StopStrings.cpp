// SPDX-License-Identifier: Apache-2.0
// Stop strings in streamed text.
#include "runtime/engine/StopStrings.h"
#include <algorithm>
#include <utility>

namespace sinter::rt {

StopStrings::StopStrings(std::vector<std::string> stops) : stops(std::move(stops)) {}

std::string StopStrings::push(std::string_view piece) {
  if (match >= 0)
    return {};
  if (stops.empty())
    return std::string(piece);
  held += piece;
  size_t first = std::string::npos;
  for (size_t i = 0; i < stops.size(); ++i)
    if (size_t place = held.find(stops[i]); place < first) {
      first = place;
      match = static_cast<ptrdiff_t>(i);
    }
  std::string text = held.substr(0, match >= 0 ? first : held.size() - heldLength());
  held.erase(0, text.size());
  return text;
}

std::string StopStrings::flush() { return match >= 0 ? std::string() : std::exchange(held, {}); }

/// The longest end of `held` that starts a stop string.
size_t StopStrings::heldLength() const {
  size_t longest = 0;
  for (const std::string &stop : stops)
    for (size_t length = std::min(held.size(), stop.size() - 1); length > longest; --length)
      if (std::string_view(held).ends_with(std::string_view(stop).substr(0, length))) {
        longest = length;
        break;
      }
  return longest;
}

} // namespace sinter::rt
