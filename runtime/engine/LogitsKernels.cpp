// SPDX-License-Identifier: Apache-2.0
// Compiles the passes over logits for every instruction set, and chooses.
#include "runtime/engine/LogitsKernels.h"

namespace sinter::rt::logits {

namespace baseline {
#include "runtime/engine/LogitsKernels.inc"
}

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#include "runtime/engine/LogitsKernels.inc"
}
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f")
namespace avx512 {
#include "runtime/engine/LogitsKernels.inc"
}
#pragma GCC pop_options

const LogitsKernels &bestKernels() {
  if (__builtin_cpu_supports("avx512f"))
    return avx512::kKernels;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return avx2::kKernels;
  return baseline::kKernels;
}

std::span<const LogitsKernels *const> usableKernels() {
  static constexpr const LogitsKernels *kAll[] = {&baseline::kKernels, &avx2::kKernels, &avx512::kKernels};
  const LogitsKernels &best = bestKernels();
  size_t count = 1;
  while (kAll[count - 1] != &best)
    ++count;
  return {kAll, count};
}

} // namespace sinter::rt::logits
