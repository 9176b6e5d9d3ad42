// SPDX-License-Identifier: Apache-2.0
// fuse-attention: rope, append to the KV cache and attention become one op.
//
//   %q = rope_append %qkv, %p, %t {...} : bf16[T, 64]
//   %a = paged_attention %q {...} : bf16[T, 64]          =>       %a = rope_attention %qkv, %p, %t {...} : bf16[T, 64]
//
// A step of one token a sequence then needs one launch between its matmuls; codegen takes the op apart again for steps
// with prompts in them. Does not fire when something else reads the queries, or when the two disagree about the cache.

#include "ir/Ops.h"
#include "passes/Pass.h"

namespace sinter {

namespace {

bool fitTogether(const RopeAppend &append, const PagedAttention &attention) {
  return append.result().hasOneUse() && *append.layer == *attention.layer && *append.headDim == *attention.headDim &&
         *append.kvHeads == *attention.kvHeads && *append.kvType == *attention.kvType &&
         attention.result().type == append.result().type;
}

void fuse(RopeAppend &append, PagedAttention &attention) {
  attention.replaceWith<RopeAttention>({&append.qkv.get(), &append.positions.get(), &append.table.get()},
                                       [&](RopeAttention &op) {
                                         for (auto &norm : append.qNorm.uses())
                                           op.qNorm.push(*norm->get());
                                         for (auto &norm : append.kNorm.uses())
                                           op.kNorm.push(*norm->get());
                                         op.heads = *append.heads;
                                         op.kvHeads = *append.kvHeads;
                                         op.headDim = *append.headDim;
                                         op.layer = *append.layer;
                                         op.eps = *append.eps;
                                         op.scale = *attention.scale;
                                         op.kvType = *append.kvType;
                                       });
  Graph &graph = attention.graph();
  graph.erase(attention);
  graph.erase(append);
}

} // namespace

void fuseAttention(Graph &graph, const PassOptions &) {
  for (PagedAttention &attention : graph.opsOf<PagedAttention>())
    if (auto *append = attention.q.definedBy<RopeAppend>(); append && fitTogether(*append, attention))
      fuse(*append, attention);
}

} // namespace sinter
