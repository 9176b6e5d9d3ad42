// SPDX-License-Identifier: Apache-2.0
// Sizes of values and of the activation arena that plan-memory lays out, and a check of its layout.
#pragma once
#include "passes/Pass.h"

namespace sinter {

/// Values start at multiples of this many bytes: a cache line, and the widest vector.
inline constexpr uint64_t arenaAlignment = 64;

/// Bytes of one row of `columns` elements. Quantized activations are records of codes, scales and sums, padded to
/// whole cache lines; the layout is that of templates/cpu/quantize.h.
uint64_t rowBytes(ElementType element, int64_t columns);

/// Bytes of a value in the largest step, in whole multiples of arenaAlignment.
uint64_t valueBytes(const Type &type, const PassOptions &options);

/// Where the last value placed in the arena ends; 0 before plan-memory.
uint64_t arenaBytes(const Graph &graph, const PassOptions &options);

/// Every value that needs a place has an aligned one, and no two that live at the same time overlap. An error names
/// them.
llvm::Error checkMemoryPlan(const Graph &graph, const PassOptions &options);

} // namespace sinter
