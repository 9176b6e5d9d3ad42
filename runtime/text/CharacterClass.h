// SPDX-License-Identifier: Apache-2.0
// The two classes of characters that added tokens care about, as the Unicode standard defines them.
#pragma once
#include "runtime/text/Utf8.h"

namespace sinter::rt {

/// Unicode's White_Space property.
bool isWhiteSpace(char32_t codePoint);

/// What \w matches (UTS 18, annex C): letters, marks, decimal digits, connector punctuation, join controls.
bool isWordCharacter(char32_t codePoint);

/// Where the character that ends before `position` (> 0) begins; `text` is valid UTF-8.
size_t previousCharacter(std::string_view text, size_t position);

} // namespace sinter::rt
