// SPDX-License-Identifier: Apache-2.0
// Token ids as users write them.
#pragma once
#include "runtime/support/Error.h"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::rt {

/// Ids separated by white space or commas, or a JSON array of them. `origin` names the text in errors, which say which
/// id is wrong: not a number, or not below `vocabSize`. At least one id.
Result<std::vector<int32_t>> parseTokenIds(std::string_view text, const std::string &origin, int32_t vocabSize);

} // namespace sinter::rt
