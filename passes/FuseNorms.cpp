// SPDX-License-Identifier: Apache-2.0
// fuse-norms: a norm moves into the matmul that reads it.
//
//   %h = rms_norm %x, @n : bf16[T, 64]
//   %y = linear %h, @w : bf16[T, 64]        =>        %y = linear %x, @w {norm = @n} : bf16[T, 64]
//
// A matmul of few rows norms its input while it waits for its weights; for many rows codegen gives the norm a launch of
// its own. Does not fire when anything but one matmul reads the norm's result, when its type is not that of its input,
// or when its weight is computed.

#include "ir/Ops.h"
#include "passes/Pass.h"

namespace sinter {

namespace {

template <typename OpT>
void absorb(OpT &matmul) {
  auto *norm = matmul.x.template definedBy<RmsNorm>();
  if (!norm || !matmul.norm.empty() || !norm->result().hasOneUse() || norm->weight->def() ||
      norm->result().type != norm->x.type())
    return;
  matmul.x.set(norm->x);
  matmul.norm.push(norm->weight);
  matmul.eps = *norm->eps;
  matmul.graph().erase(*norm);
}

} // namespace

void fuseNorms(Graph &graph, const PassOptions &) {
  for (Linear &op : graph.opsOf<Linear>())
    absorb(op);
  for (SwigluLinear &op : graph.opsOf<SwigluLinear>())
    absorb(op);
}

} // namespace sinter
