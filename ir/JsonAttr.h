// SPDX-License-Identifier: Apache-2.0
// JSON objects as attributes: how config.json reaches the holes of a model description.
#pragma once
#include "ir/AttrValue.h"
#include "llvm/Support/JSON.h"

namespace sinter {

/// The object's entries, sorted by key (JSON objects have no order); a null counts as absent. Numbers without a
/// fraction become integers. An error when lists and objects nest too deeply.
llvm::Expected<AttrDict> attrFromJson(const llvm::json::Object &object);

} // namespace sinter
