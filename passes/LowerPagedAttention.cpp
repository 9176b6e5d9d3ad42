// SPDX-License-Identifier: Apache-2.0
// lower-paged-attention: attention becomes an append to the paged KV cache and a read of it.
//
//   %a = attention %q, %k, %v {...}     =>     append_kv %k, %v {...}
//                                              %a = paged_attention %q {...}
//
// Where queries and keys are roped slices of one QKV matmul, nothing between that matmul and the cache reaches memory:
//
//   %q = slice %qkv {begin = 0, size = 64}                  %q4 = rope_append %qkv, %p, %t {q_norm = @qn, ...}
//   %k = slice %qkv {begin = 64, size = 32}                 %a = paged_attention %q4 {...}
//   %v = slice %qkv {begin = 96, size = 32}
//   %q2 = head_rms_norm %q, @qn; %q4 = apply_rope %q2, %p, %t
//   %k2 = head_rms_norm %k, @kn; %k4 = apply_rope %k2, %p, %t
//   %a = attention %q4, %k4, %v {...}                =>
//
// The second form must not be taken when a value in between has another user, when the slices are not exactly q, k, v
// in this order, or when queries and keys differ in table, positions, eps or in having a norm.

#include "ir/Ops.h"
#include "passes/Pass.h"

namespace sinter {

namespace {

/// A roped, perhaps normed slice whose steps have no other user.
struct Head {
  Slice *slice;
  HeadRmsNorm *norm; ///< null: none
  ApplyRope *rope;
};

std::optional<Head> matchHead(const Operand &operand, int64_t headDim) {
  auto *rope = operand.definedBy<ApplyRope>();
  if (!rope || !rope->result().hasOneUse() || rope->table.type().dim(1) != Dim(headDim))
    return std::nullopt;
  auto *norm = rope->x.definedBy<HeadRmsNorm>();
  if (norm && (!norm->result().hasOneUse() || norm->weight.type().dim(0) != Dim(headDim) || norm->weight->def()))
    return std::nullopt;
  auto *slice = norm ? norm->x.definedBy<Slice>() : rope->x.definedBy<Slice>();
  if (!slice || !slice->result().hasOneUse())
    return std::nullopt;
  return Head{slice, norm, rope};
}

bool fitTogether(const Head &q, const Head &k, const Slice &v) {
  const Value &qkv = q.slice->x.get();
  if (&k.slice->x.get() != &qkv || &v.x.get() != &qkv)
    return false;
  if (q.slice->begin != 0 || k.slice->begin != q.slice->size || v.begin != k.slice->begin + k.slice->size ||
      Dim(v.begin + v.size) != qkv.type.dim(1))
    return false;
  if (&q.rope->table.get() != &k.rope->table.get() || &q.rope->positions.get() != &k.rope->positions.get())
    return false;
  return !q.norm == !k.norm && (!q.norm || *q.norm->eps == *k.norm->eps);
}

/// Creates the rope_append of the second form; null where it does not fit.
RopeAppend *fuseAppend(Attention &a, int64_t kvHeads, const PassOptions &options) {
  auto q = matchHead(a.q, a.headDim), k = matchHead(a.k, a.headDim);
  auto *v = a.v.definedBy<Slice>();
  if (!q || !k || !v || !v->result().hasOneUse() || !fitTogether(*q, *k, *v))
    return nullptr;
  return &a.insertBefore<RopeAppend>(a.q->name, {&v->x.get(), &q->rope->positions.get(), &q->rope->table.get()},
                                     [&](RopeAppend &op) {
                                       if (q->norm) {
                                         op.qNorm.push(q->norm->weight);
                                         op.kNorm.push(k->norm->weight);
                                         op.eps = *q->norm->eps;
                                       }
                                       op.heads = a.q.type().dim(1).number() / a.headDim;
                                       op.kvHeads = kvHeads;
                                       op.headDim = *a.headDim;
                                       op.layer = *a.layer;
                                       op.kvType = options.kvType;
                                     });
}

void append(Attention &a, const PassOptions &options) {
  a.insertBefore<AppendKv>("", {&a.k.get(), &a.v.get()}, [&](AppendKv &op) {
    op.headDim = *a.headDim;
    op.layer = *a.layer;
    op.kvType = options.kvType;
  });
}

void lower(Attention &a, const PassOptions &options) {
  int64_t kvHeads = a.k.type().dim(1).number() / a.headDim;
  Value *q = &a.q.get();
  if (RopeAppend *fused = fuseAppend(a, kvHeads, options)) {
    std::swap(fused->result().name, q->name); // the same value, and the old one dies below
    q = &fused->result();
  } else {
    append(a, options);
  }
  a.replaceWith<PagedAttention>({q}, [&](PagedAttention &op) {
    op.headDim = *a.headDim;
    op.kvHeads = kvHeads;
    op.layer = *a.layer;
    op.scale = *a.scale;
    op.kvType = options.kvType;
  });
  a.graph().erase(a);
}

} // namespace

void lowerPagedAttention(Graph &graph, const PassOptions &options) {
  for (Attention &attention : graph.opsOf<Attention>())
    lower(attention, options);
  graph.eraseDead(); // slices, norms and ropes that rope_append has taken over
}

} // namespace sinter
