// SPDX-License-Identifier: Apache-2.0
// The ids that GGUF gives tensor types: those we read, and the names of the others, for messages.
#pragma once
#include "ir/Type.h"
#include <optional>

namespace sinter {

struct GgmlType {
  uint32_t id;
  llvm::StringLiteral name;
};

/// Null for an id that ggml has never used.
const GgmlType *findGgmlType(uint32_t id);

/// What the type is here, or nothing when it is not supported.
std::optional<ElementType> elementTypeOf(const GgmlType &type);

/// "F32, F16, BF16, Q4_0, ..."
std::string supportedGgmlTypes();

/// Bytes of `count` elements along the last dimension, a multiple of blockElements(type).
uint64_t storedBytes(const ElementType &type, uint64_t count);
/// Elements that are stored together: 1 for scalars.
unsigned blockElements(const ElementType &type);

} // namespace sinter
