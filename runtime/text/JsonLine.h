// SPDX-License-Identifier: Apache-2.0
// The two JSON values that token tools exchange a line at a time: a string, and an array of token ids (RFC 8259).
#pragma once
#include "runtime/support/Error.h"
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::rt {

/// One JSON string with nothing but white space around it. Errors say what was expected at which column.
Result<std::string> parseJsonString(std::string_view line);

/// One JSON array of numbers in 0 ... 2^31 - 1.
Result<std::vector<int32_t>> parseJsonIds(std::string_view line);

/// "[1,2,3]"
std::string toJson(std::span<const int32_t> ids);

/// A JSON string, ASCII and UTF-8 as they are; `text` is valid UTF-8.
std::string toJson(std::string_view text);

} // namespace sinter::rt
