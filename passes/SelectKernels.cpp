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

/// templates/cpu has one kernel for each of these ops, under the op's own name.
bool isServedByCpu(const Op &op) {
  return llvm::isa<Embed, RmsNorm, HeadRmsNorm, Add, AddBias, AddRmsNorm, Linear, SiluMul, SwigluLinear, ApplyRope,
                   AppendKv, RopeAppend, PagedAttention, LastTokens, Slice, Cast>(&op);
}

} // namespace

void selectKernels(Graph &graph, const PassOptions &options) {
  bool isCpu = options.target == "cpu" || llvm::StringRef(options.target).starts_with("cpu:");
  for (auto &op : graph.ops())
    op->kernel = isCpu && isServedByCpu(*op) ? op->mnemonic().str() : "";
}

} // namespace sinter
