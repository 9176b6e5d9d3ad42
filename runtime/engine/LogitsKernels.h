// SPDX-License-Identifier: Apache-2.0
// The passes over a whole row of logits, compiled for AVX-512, AVX2 and plain x86-64: the runtime is built for any
// machine and picks when it starts. A row is worked on in chunks; in a chunk, element j of lane l is at j * kLanes + l.
#pragma once
#include <cstddef>
#include <span>

namespace sinter::rt::logits {

constexpr size_t kLanes = 16;
constexpr size_t kGroup = 64; ///< elements whose largest is kept: one lane of a chunk
constexpr size_t kChunk = kLanes * kGroup;

struct LogitsKernels {
  /// groupMax[chunk * kLanes + lane] of whole chunks; true when an element is NaN.
  bool (*scanChunks)(const float *row, size_t chunks, float *groupMax);
  /// sums[chunk]: the sum of exp((x - largest) * scale) over elements x >= bound of that chunk.
  void (*sumExpChunks)(const float *row, size_t chunks, float largest, float scale, float bound, float *sums);
  /// The kChunk terms of one such sum; each within 1e-6 of its value.
  void (*expChunk)(const float *row, float largest, float scale, float bound, float *terms);
};

/// The fastest for this machine.
const LogitsKernels &bestKernels();
/// All that this machine can run, slowest first.
std::span<const LogitsKernels *const> usableKernels();

} // namespace sinter::rt::logits
