// SPDX-License-Identifier: Apache-2.0
// Random weights in memory (runtime/abi/RandomWeights.h).
#pragma once
#include "runtime/abi/Plan.h"
#include <cstddef>

namespace sinter::rt {

/// Makes bytes [begin, end) of the weights, all of a random `region` and both multiples of its element's size; `into`
/// is where byte `begin` goes.
void fillRandom(const WeightRegion &region, uint64_t seed, uint64_t begin, uint64_t end, std::byte *into);

} // namespace sinter::rt
