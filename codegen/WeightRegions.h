// SPDX-License-Identifier: Apache-2.0
// The packed weights of a model that is compiled with random ones, as regions that the runtime fills: all of them are
// made at load but the values of constant ops, which the payload stores.
#pragma once
#include "codegen/WeightTable.h"
#include "runtime/abi/Plan.h"

namespace sinter {

/// One region an item, in their order. An error names a weight that has no random values: a quantized one.
llvm::Expected<std::vector<rt::WeightRegion>> randomRegions(const WeightTable &weights);

} // namespace sinter
