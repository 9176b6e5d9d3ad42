// SPDX-License-Identifier: Apache-2.0
// Numbers for people: bytes, seconds, counts, with the unit that keeps them short.
#pragma once
#include <cstdint>
#include <string>

namespace sinter::rt {

/// "512 B", "3.9 KiB", "90.4 MiB", "7.52 GiB"
std::string formatBytes(uint64_t bytes);
/// "950 ns", "12.3 us", "4.56 ms", "1.23 s"
std::string formatSeconds(double seconds);
/// "999", "134.5 M", "7.62 B"
std::string formatCount(uint64_t count);
/// printf's %.*f
std::string formatFixed(double value, int digits);
/// The shortest decimal that reads back as the same double.
std::string formatShortest(double value);

/// "64MiB", "2GiB", "1500000": bytes with an optional binary unit; false if it is none.
bool parseBytes(const std::string &text, uint64_t &bytes);

} // namespace sinter::rt
