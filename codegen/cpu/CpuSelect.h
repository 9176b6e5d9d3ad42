// SPDX-License-Identifier: Apache-2.0
// Instruction selection of the CPU target: ops to calls of templates/cpu.
#pragma once
#include "codegen/cpu/CpuLaunch.h"

namespace sinter {

/// The launches of a step, in order. The graph is what the pipeline ends with: every op has a kernel, every value its
/// place in the arena. An error names the first op that no template serves.
llvm::Expected<CpuLaunchPlan> selectCpu(const Graph &step);

/// Tokens in a block of the KV cache.
inline constexpr int64_t cpuKvBlockTokens = 32;

} // namespace sinter
