// SPDX-License-Identifier: Apache-2.0
// Character classes from utf8proc's categories.
#include "runtime/text/CharacterClass.h"
#include <utf8proc.h>

namespace sinter::rt {

bool isWhiteSpace(char32_t codePoint) {
  if (codePoint >= 0x09 && codePoint <= 0x0D)
    return true;
  if (codePoint == 0x85)
    return true;
  utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(codePoint));
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool isWordCharacter(char32_t codePoint) {
  if (codePoint == 0x200C || codePoint == 0x200D)
    return true;
  // The circled letters are alphabetic by property, not by category.
  if ((codePoint >= 0x24B6 && codePoint <= 0x24E9) || (codePoint >= 0x1F130 && codePoint <= 0x1F149) ||
      (codePoint >= 0x1F150 && codePoint <= 0x1F169) || (codePoint >= 0x1F170 && codePoint <= 0x1F189))
    return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(codePoint))) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_PC:
    return true;
  default:
    return false;
  }
}

size_t previousCharacter(std::string_view text, size_t position) {
  do
    --position;
  while (position > 0 && (static_cast<uint8_t>(text[position]) & 0xC0) == 0x80);
  return position;
}

} // namespace sinter::rt
