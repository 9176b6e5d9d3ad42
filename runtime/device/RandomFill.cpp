// SPDX-License-Identifier: Apache-2.0
// One loop for each element, compiled for each of three instruction sets: all give the same (RandomWeights.h), and the
// widest makes them as fast as they can be carried away.
#include "runtime/device/RandomFill.h"
#include "runtime/abi/RandomWeights.h"
#include <bit>

namespace sinter::rt {
namespace {

template <typename Element, typename Convert>
void fill(const WeightRegion &region, uint64_t seed, uint64_t begin, uint64_t end, std::byte *into, Convert convert) {
  unsigned long long key = randomWeightKey(seed);
  bool aroundOne = region.fill == WeightFill::Ones;
  auto *elements = reinterpret_cast<Element *>(into);
  for (uint64_t i = 0; i < (end - begin) / sizeof(Element); ++i)
    elements[i] = convert(randomWeight(key, begin + i * sizeof(Element), aroundOne));
}

} // namespace

[[gnu::target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), gnu::optimize("O3"), gnu::flatten]] void
fillRandom(const WeightRegion &region, uint64_t seed, uint64_t begin, uint64_t end, std::byte *into) {
  switch (region.element) {
  case WeightElement::F32:
    return fill<float>(region, seed, begin, end, into, [](float value) { return value; });
  case WeightElement::F16:
    return fill<_Float16>(region, seed, begin, end, into, [](float value) { return static_cast<_Float16>(value); });
  case WeightElement::BF16:
    return fill<uint16_t>(region, seed, begin, end, into,
                          [](float value) { return nearestBfloat(std::bit_cast<uint32_t>(value)); });
  }
}

} // namespace sinter::rt
