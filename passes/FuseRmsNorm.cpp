// SPDX-License-Identifier: Apache-2.0
// fuse-rms-norm: a residual add and the norm of its sum become one op.
//
//   %s = add %x, %d : f32[T, 64]
//   %h = rms_norm %s, @w : f32[T, 64]     =>     %s, %h = add_rms_norm %x, %d, @w : f32[T, 64], f32[T, 64]
//
// The sum is normed while it is still in cache. It stays a result, because the residual stream goes on from it; a sum
// without another user costs a store. Does not fire when several norms read the sum: each would add anew.

#include "ir/Ops.h"
#include "passes/Pass.h"

namespace sinter {

namespace {

/// The only rms_norm of the sum, or null.
RmsNorm *onlyNormOf(const Value &sum) {
  RmsNorm *found = nullptr;
  for (Use *use : sum.uses())
    if (auto *norm = llvm::dyn_cast_or_null<RmsNorm>(use->owner)) {
      if (found)
        return nullptr;
      found = norm;
    }
  return found;
}

void fuse(Add &add, RmsNorm &norm) {
  Value *operands[] = {&add.a.get(), &add.b.get(), &norm.weight.get()};
  AddRmsNorm &fused = add.insertBefore<AddRmsNorm>("", operands, [&](AddRmsNorm &op) {
    op.eps = *norm.eps;
    op.to = *norm.to;
  });
  for (auto [was, is] : {std::pair(&add.result(), &fused.result(0)), std::pair(&norm.result(), &fused.result(1))}) {
    is->name = std::exchange(was->name, "");
    was->replaceAllUsesWith(*is);
  }
  Graph &graph = add.graph();
  graph.erase(norm);
  graph.erase(add);
}

} // namespace

void fuseRmsNorm(Graph &graph, const PassOptions &) {
  for (Add &add : graph.opsOf<Add>())
    if (RmsNorm *norm = onlyNormOf(add.result()); norm && !norm->weight->def())
      fuse(add, *norm);
}

} // namespace sinter
