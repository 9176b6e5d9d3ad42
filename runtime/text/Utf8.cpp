// SPDX-License-Identifier: Apache-2.0
// Strict UTF-8 after table 3-7 of the Unicode standard (well-formed byte sequences).
#include "runtime/text/Utf8.h"

namespace sinter::rt::utf8 {

namespace {

/// What may follow a lead byte: how many bytes in all, and the range of the second one.
struct Lead {
  uint8_t size, low, high;
};

Lead leadOf(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF)
    return {2, 0x80, 0xBF};
  if (byte >= 0xE0 && byte <= 0xEF)
    return {3, static_cast<uint8_t>(byte == 0xE0 ? 0xA0 : 0x80), static_cast<uint8_t>(byte == 0xED ? 0x9F : 0xBF)};
  if (byte >= 0xF0 && byte <= 0xF4)
    return {4, static_cast<uint8_t>(byte == 0xF0 ? 0x90 : 0x80), static_cast<uint8_t>(byte == 0xF4 ? 0x8F : 0xBF)};
  return {1, 0, 0};
}

} // namespace

Decoded decode(std::string_view text) {
  auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80)
    return {first, 1, true, false};
  Lead lead = leadOf(first);
  if (lead.size == 1)
    return {replacementCharacter, 1, false, false};
  char32_t codePoint = first & (0x7F >> lead.size);
  for (uint32_t i = 1; i < lead.size; ++i) {
    if (i == text.size())
      return {replacementCharacter, i, false, true};
    auto byte = static_cast<uint8_t>(text[i]);
    uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high)
      return {replacementCharacter, i, false, false};
    codePoint = codePoint << 6 | (byte & 0x3F);
  }
  return {codePoint, lead.size, true, false};
}

void append(std::string &out, char32_t codePoint) {
  auto tail = [&](int shift) { out += static_cast<char>(0x80 | (codePoint >> shift & 0x3F)); };
  if (codePoint < 0x80) {
    out += static_cast<char>(codePoint);
  } else if (codePoint < 0x800) {
    out += static_cast<char>(0xC0 | codePoint >> 6);
    tail(0);
  } else if (codePoint < 0x10000) {
    out += static_cast<char>(0xE0 | codePoint >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | codePoint >> 18);
    tail(12), tail(6), tail(0);
  }
}

bool isValid(std::string_view text) {
  while (!text.empty()) {
    Decoded step = decode(text);
    if (!step.valid)
      return false;
    text.remove_prefix(step.size);
  }
  return true;
}

std::string toValid(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    Decoded step = decode(text);
    if (step.valid)
      out.append(text.substr(0, step.size));
    else
      append(out, replacementCharacter);
    text.remove_prefix(step.size);
  }
  return out;
}

} // namespace sinter::rt::utf8
