// SPDX-License-Identifier: Apache-2.0
// Reading and writing UTF-8, strictly: what is ill-formed is known, and replaced the way Unicode recommends.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace sinter::rt::utf8 {

inline constexpr char32_t replacementCharacter = 0xFFFD;

/// One step through a text: a code point, or a maximal ill-formed subpart (Unicode 15, section 3.9, table 3-8).
struct Decoded {
  char32_t codePoint; ///< replacementCharacter where the bytes are ill-formed
  uint32_t size;      ///< bytes consumed, at least 1
  bool valid;
  bool truncated; ///< ill-formed only because the text ends: more bytes could complete it
};

/// Decodes what starts at `text[0]`; `text` is not empty.
Decoded decode(std::string_view text);

void append(std::string &out, char32_t codePoint);

bool isValid(std::string_view text);

/// `text` with every maximal ill-formed subpart replaced by U+FFFD.
std::string toValid(std::string_view text);

} // namespace sinter::rt::utf8
