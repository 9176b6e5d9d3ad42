// SPDX-License-Identifier: Apache-2.0
// When two ops compute the same: same kind, operands, attributes and result types. Where they were written, their layer
// and their results' names do not matter.
#pragma once
#include "ir/Op.h"
#include "llvm/ADT/Hashing.h"

namespace sinter {

/// Equal ops have equal hashes. Differs from run to run: never let it reach output.
llvm::hash_code hashOf(const Op &op);
bool areEqual(const Op &a, const Op &b);

} // namespace sinter
