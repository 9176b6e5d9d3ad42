// SPDX-License-Identifier: Apache-2.0
// Operators between attribute values: what expressions in model descriptions compute.
#pragma once
#include "ir/AttrValue.h"
#include <optional>

namespace sinter {

/// How tightly a binary operator binds, from 1 (||) to 5 (* and /); 0: it is none.
int precedenceOf(llvm::StringRef op);

/// The value of `a op b`, or nothing when the operator does not apply to such values. Integers wrap around instead of
/// overflowing: a config may hold any number, and shapes are checked where they are used.
std::optional<AttrValue> applyBinary(llvm::StringRef op, const AttrValue &a, const AttrValue &b);

} // namespace sinter
