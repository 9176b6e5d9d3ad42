// SPDX-License-Identifier: Apache-2.0
// Three significant digits and a unit.
#include "runtime/support/Format.h"
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace sinter::rt {
namespace {

std::string threeDigits(double value, const char *unit) {
  int digits = value < 9.995 ? 2 : value < 999.5 ? 1 : 0;
  return formatFixed(value, digits) + " " + unit;
}

} // namespace

std::string formatFixed(double value, int digits) {
  char buffer[400];
  int length = std::snprintf(buffer, sizeof(buffer), "%.*f", digits, value);
  return {buffer, static_cast<size_t>(length)};
}

std::string formatShortest(double value) {
  char buffer[40];
  auto end = std::to_chars(buffer, std::end(buffer), value);
  return {buffer, end.ptr};
}

std::string formatBytes(uint64_t bytes) {
  if (bytes < 1024)
    return std::to_string(bytes) + " B";
  const char *units[] = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  int unit = 0;
  for (; value >= 1023.95 && unit < 3; ++unit)
    value /= 1024;
  return threeDigits(value, units[unit]);
}

std::string formatSeconds(double seconds) {
  if (seconds < 1e-6)
    return threeDigits(seconds * 1e9, "ns");
  if (seconds < 1e-3)
    return threeDigits(seconds * 1e6, "us");
  if (seconds < 1)
    return threeDigits(seconds * 1e3, "ms");
  return threeDigits(seconds, "s");
}

std::string formatCount(uint64_t count) {
  if (count < 1000)
    return std::to_string(count);
  const char *units[] = {"K", "M", "B", "T"};
  double value = static_cast<double>(count) / 1000;
  int unit = 0;
  for (; value >= 999.95 && unit < 3; ++unit)
    value /= 1000;
  return threeDigits(value, units[unit]);
}

bool parseBytes(const std::string &text, uint64_t &bytes) {
  uint64_t number = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc())
    return false;
  std::string unit(rest, text.data() + text.size());
  const struct {
    const char *name;
    int shift;
  } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  for (auto [name, shift] : units)
    if (unit == name && number <= UINT64_MAX >> shift) {
      bytes = number << shift;
      return true;
    }
  return false;
}

} // namespace sinter::rt
