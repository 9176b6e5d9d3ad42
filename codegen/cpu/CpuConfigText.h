// SPDX-License-Identifier: Apache-2.0
// The IR's types in the terms of templates/cpu, and those terms as C++.
#pragma once
#include "ir/Type.h"
#include "templates/cpu/kv_cache.h"
#include <string>

namespace sinter {

/// Quantized types are activations here: 8 bits.
cpu::Element elementOf(const ElementType &type);
/// "Element::BF16"
llvm::StringRef elementName(const ElementType &type);

/// "{.kvHeads = 8, .headDim = 128, ...}"
std::string configText(const cpu::KvConfig &kv);
std::string configText(const cpu::WeightFormat &format);

} // namespace sinter
