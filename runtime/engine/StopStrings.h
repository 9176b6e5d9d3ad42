// SPDX-License-Identifier: Apache-2.0
// Finds stop strings in streamed text. Text that could still become one is held back, so that none of it is ever shown.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::rt {

class StopStrings {
public:
  StopStrings() = default;
  explicit StopStrings(std::vector<std::string> stops);

  /// Takes the next piece and returns the text that is final: up to a stop string, or up to what may be the start of
  /// one.
  std::string push(std::string_view piece);
  /// The text held back, when the output ends without a stop string.
  std::string flush();
  /// The stop string that was found, null before; nothing is returned any more after it.
  const std::string *found() const { return match < 0 ? nullptr : &stops[match]; }

private:
  size_t heldLength() const;

  std::vector<std::string> stops;
  std::string held;
  ptrdiff_t match = -1; ///< in `stops`
};

} // namespace sinter::rt
