// SPDX-License-Identifier: Apache-2.0
// cse: equal ops of equal operands are computed once.
//
//   %a = rms_norm %x, @w
//   %b = rms_norm %x, @w
//   %c = add %a, %b          =>     %a = rms_norm %x, @w
//                                   %c = add %a, %a
//
// Ops with side effects are left alone: two appends append twice.

#include "ir/OpEquality.h"
#include "passes/Pass.h"
#include <unordered_set>

namespace sinter {

namespace {

struct Hash {
  size_t operator()(const Op *op) const { return hashOf(*op); }
};
struct Equal {
  bool operator()(const Op *a, const Op *b) const { return areEqual(*a, *b); }
};

} // namespace

void eliminateCommonSubexpressions(Graph &graph, const PassOptions &) {
  std::unordered_set<Op *, Hash, Equal> seen; // looked up only, never walked
  for (auto it = graph.ops().begin(); it != graph.ops().end();) {
    Op &op = **it++;
    if (op.hasSideEffects())
      continue;
    auto [first, isNew] = seen.insert(&op);
    if (isNew)
      continue;
    for (auto [mine, its] : llvm::zip_equal(op.results(), (*first)->results()))
      mine->replaceAllUsesWith(*its);
    graph.erase(op);
  }
}

} // namespace sinter
