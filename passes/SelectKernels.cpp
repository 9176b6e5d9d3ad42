// SPDX-License-Identifier: Apache-2.0
// select-kernels: every op gets the name of the target's kernel that serves it.
//
//   %y = linear %x, @w : f32[T, 64]     =>     %y = linear %x, @w {kernel = "linear"} : f32[T, 64]
//
// Ops that no kernel serves stay without, and codegen says which: rope and attention (to be lowered before), or all of
// an unknown target. rope_table has none because it is a constant, computed at compile time.

#include "passes/Pass.h"
#include "passes/ServedOps.h"

namespace sinter {

namespace {

/// A matmul that norms its input.
bool hasNorm(const Op &op) {
  if (auto *linear = llvm::dyn_cast<Linear>(&op))
    return !linear->norm.empty();
  auto *swiglu = llvm::dyn_cast<SwigluLinear>(&op);
  return swiglu && !swiglu->norm.empty();
}

} // namespace

void selectKernels(Graph &graph, const PassOptions &options) {
  for (auto &op : graph.ops()) {
    bool isServed = options.isCpu()    ? CpuServedOps::has(*op) && !hasNorm(*op)
                    : options.isCuda() ? CudaServedOps::has(*op)
                                       : false;
    op->kernel = isServed ? op->mnemonic().str() : "";
  }
}

} // namespace sinter
