// SPDX-License-Identifier: Apache-2.0
// Weights that nobody trained, made at load: a weight is a pure function of a seed and of its place, so that they are
// the same whichever thread, CPU or GPU makes them, and need not be stored. Includes nothing: kernels may include it.
#pragma once

namespace sinter::rt {

/// The weights of matmuls and biases are uniform in [-0.02, 0.02), those of norms in [1 - 1/64, 1 + 1/64): activations
/// stay finite over any number of layers.
inline constexpr float randomUniformRange = 0.02f, randomOnesRange = 0.015625f;

/// The last steps of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
constexpr unsigned long long mixBits(unsigned long long z) {
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}

/// What randomWeight() takes of a seed.
constexpr unsigned long long randomWeightKey(unsigned long long seed) { return mixBits(seed + 0x9E3779B97F4A7C15ull); }

/// The weight at `position`, the byte where it begins in the packed weights. Fused or not, the multiply-add gives the
/// same: around 1 the product is exact, around 0 the sum is.
constexpr float randomWeight(unsigned long long key, unsigned long long position, bool aroundOne) {
  int bits = int(mixBits(key + position * 0x9E3779B97F4A7C15ull) >> 40) - (1 << 23);
  float range = aroundOne ? randomOnesRange : randomUniformRange;
  return float(bits) * (range / (1 << 23)) + (aroundOne ? 1.0f : 0.0f);
}

/// Bits of the bfloat16 nearest to a finite number's bits, ties to even.
constexpr unsigned short nearestBfloat(unsigned floatBits) {
  return static_cast<unsigned short>((floatBits + 0x7FFF + (floatBits >> 16 & 1)) >> 16);
}

} // namespace sinter::rt
