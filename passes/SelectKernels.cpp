// SPDX-License-Identifier: Apache-2.0
// select-kernels: every op gets the name of the target's kernel that serves it.
//
//   %y = linear %x, @w : f32[T, 64]     =>     %y = linear %x, @w {kernel = "linear"} : f32[T, 64]
//
// Ops that no kernel serves stay without, and codegen says which: rope and attention (to be lowered before), or all of
// an unknown target. rope_table has none because it is a constant, computed at compile time.

#include "ir/Ops.h"
#include "passes/Pass.h"

namespace sinter {

namespace {

/// A matmul that norms its input.
bool hasNorm(const Op &op) {
  if (auto *linear = llvm::dyn_cast<Linear>(&op))
    return !linear->norm.empty();
  auto *swiglu = llvm::dyn_cast<SwigluLinear>(&op);
  return swiglu && !swiglu->norm.empty();
}

/// templates/cpu has one kernel for each of these ops, under the op's own name.
bool isServedByCpu(const Op &op) {
  return !hasNorm(op) && llvm::isa<Embed, RmsNorm, HeadRmsNorm, Add, AddBias, AddRmsNorm, Linear, SiluMul, SwigluLinear,
                                   ApplyRope, AppendKv, RopeAppend, PagedAttention, LastTokens, Slice, Cast>(&op);
}

/// templates/cuda has, for each of these ops, kernels among which codegen chooses by the number of rows.
bool isServedByCuda(const Op &op) {
  return llvm::isa<Embed, RmsNorm, Linear, SwigluLinear, RopeAttention, LastTokens>(&op);
}

} // namespace

void selectKernels(Graph &graph, const PassOptions &options) {
  for (auto &op : graph.ops()) {
    bool isServed = (options.isCpu() && isServedByCpu(*op)) || (options.isCuda() && isServedByCuda(*op));
    op->kernel = isServed ? op->mnemonic().str() : "";
  }
}

} // namespace sinter
