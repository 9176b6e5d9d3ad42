// SPDX-License-Identifier: Apache-2.0
// fuse-swiglu: gate and up projections of one input, and silu(gate) * up, become one matmul.
//
//   %g = linear %x, @gate : bf16[T, 64]
//   %u = linear %x, @up : bf16[T, 64]
//   %m = silu_mul %g, %u : bf16[T, 64]     =>     %m = swiglu_linear %x, @gate, @up : bf16[T, 64]
//
// The kernel streams gate and up rows interleaved and applies the activation to its accumulators, so neither
// projection reaches memory. Biases come along. Does not fire when a projection has another user (its value is still
// needed), when the two weights differ in type (they could not share one stream), or when only one has a bias.

#include "passes/Pass.h"
#include "passes/Projection.h"

namespace sinter {

namespace {

bool fitTogether(const Projection &gate, const Projection &up) {
  return &gate.x() == &up.x() && gate.weight().type == up.weight().type && !gate.bias == !up.bias &&
         gate.result().hasOneUse() && up.result().hasOneUse();
}

void fuse(SiluMul &act, const Projection &gate, const Projection &up) {
  ElementType element = act.result().type.element;
  act.replaceWith<SwigluLinear>({&gate.x(), &gate.weight(), &up.weight()}, [&](SwigluLinear &op) {
    if (gate.bias) {
      op.bias.push(*gate.bias);
      op.bias.push(*up.bias);
    }
    if (gate.x().type.element != element)
      op.to = element;
  });
}

} // namespace

void fuseSwiglu(Graph &graph, const PassOptions &) {
  for (SiluMul &act : graph.opsOf<SiluMul>()) {
    auto gate = matchProjection(act.gate), up = matchProjection(act.up);
    if (gate && up && fitTogether(*gate, *up))
      fuse(act, *gate, *up);
  }
  graph.eraseDead();
}

} // namespace sinter
