// SPDX-License-Identifier: Apache-2.0
// Packs matmul weights into the panels that the CPU kernels stream (templates/cpu/layout.h). Nothing is rounded: codes,
// scales and minimums keep the file's bits, floats keep their type.
#pragma once
#include "ir/WeightTensor.h"
#include "templates/cpu/layout.h"

namespace sinter {

/// The kernels' name of an element type, for a weight with `k` columns; an error that says why when they have none:
/// bits other than 4, 5, 6 or 8, scales other than float16, groups that are neither 16 nor a multiple of 32, ...
llvm::Expected<cpu::WeightFormat> packedFormat(const ElementType &type, int64_t k);

/// Bytes of a weight [n, k] once packed; the type must have a format.
uint64_t packedLinearBytes(const ElementType &type, int64_t n, int64_t k);

/// Packs a weight [n, k]: `parts` is that one tensor, or with `swiglu` gate and up, equal in type, whose panels then
/// alternate. `out` holds packedLinearBytes of each part. Reads sixteen rows at a time.
llvm::Error packLinear(llvm::ArrayRef<const WeightTensor *> parts, bool swiglu, llvm::MutableArrayRef<uint8_t> out);

} // namespace sinter
