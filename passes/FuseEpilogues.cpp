// SPDX-License-Identifier: Apache-2.0
// fuse-epilogues: what is added to a matmul's result is added to its accumulators instead.
//
//   %y = linear %x, @w : f32[T, 64]
//   %z = add_bias %y, @b : f32[T, 64]
//   %s = add %r, %z : f32[T, 64]         =>     %s = linear %x, @w {bias = @b, residual = %r} : f32[T, 64]
//
// Does not fire when the matmul's result has another user, when it has a bias or residual already (a bias is not added
// behind a residual: rounding would differ), or for a bias of several stacked weights, which need one vector each.

#include "ir/Ops.h"
#include "passes/Pass.h"

namespace sinter {

namespace {

/// Replaces `sum` by `linear` with one more bias or residual.
void absorb(Op &sum, Linear &linear, Value *bias, Value *residual) {
  sum.replaceWith<Linear>({&linear.x.get()}, [&](Linear &op) {
    for (auto &w : linear.weights.uses())
      op.weights.push(*w->get());
    for (auto &b : linear.bias.uses())
      op.bias.push(*b->get());
    if (bias)
      op.bias.push(*bias);
    if (residual)
      op.residual.push(*residual);
    for (auto &norm : linear.norm.uses())
      op.norm.push(*norm->get());
    op.eps = *linear.eps;
    op.to = *linear.to;
  });
  Graph &graph = sum.graph();
  graph.erase(sum);
  graph.erase(linear);
}

Linear *absorbing(const Operand &x) {
  auto *linear = x.definedBy<Linear>();
  return linear && linear->result().hasOneUse() && linear->residual.empty() ? linear : nullptr;
}

} // namespace

void fuseEpilogues(Graph &graph, const PassOptions &) {
  for (AddBias &op : graph.opsOf<AddBias>())
    if (Linear *linear = absorbing(op.x); linear && linear->bias.empty() && linear->weights.size() == 1)
      absorb(op, *linear, &op.bias.get(), nullptr);
  for (Add &op : graph.opsOf<Add>()) {
    if (Linear *linear = absorbing(op.b))
      absorb(op, *linear, nullptr, &op.a.get());
    else if (Linear *first = absorbing(op.a))
      absorb(op, *first, nullptr, &op.b.get());
  }
}

} // namespace sinter
