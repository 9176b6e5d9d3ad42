// SPDX-License-Identifier: Apache-2.0
// fuse-qkv: the projections of one input that become one attention's queries, keys and values are one matmul.
//
//   %q = linear %h, @q : f32[T, 64]             %qkv = linear %h, @q, @k, @v : f32[T, 128]
//   %k = linear %h, @k : f32[T, 32]             %q = slice %qkv {begin = 0, size = 64} : f32[T, 64]
//   %v = linear %h, @v : f32[T, 32]      =>     %k = slice %qkv {begin = 64, size = 32} : f32[T, 32]
//   %q2 = rope %q, %p {...}                     %v = slice %qkv {begin = 96, size = 32} : f32[T, 32]
//   %k2 = rope %k, %p {...}                     ...
//   %a = attention %q2, %k2, %v {...}
//
// The input is read once, and one launch has work for every thread. Norms, ropes and further biases may stand between
// the projections and attention. The weights may differ in type: the kernel takes each part in its own format. Does
// not fire when the projections read different inputs, when only some have a bias, or when they give different types.

#include "passes/Pass.h"
#include "passes/Projection.h"

namespace sinter {

namespace {

/// Up the chain of ops that only change a projection: norms, ropes, biases that are not the projection's own.
std::optional<Projection> projectionBehind(Value &v) {
  if (auto projection = matchProjection(v))
    return projection;
  if (auto *rope = llvm::dyn_cast_or_null<Rope>(v.def()))
    return projectionBehind(rope->x);
  if (auto *rope = llvm::dyn_cast_or_null<ApplyRope>(v.def()))
    return projectionBehind(rope->x);
  if (auto *norm = llvm::dyn_cast_or_null<HeadRmsNorm>(v.def()))
    return projectionBehind(norm->x);
  if (auto *bias = llvm::dyn_cast_or_null<AddBias>(v.def()))
    return projectionBehind(bias->x);
  return std::nullopt;
}

using Qkv = std::array<Projection, 3>;

bool fitTogether(const Qkv &parts) {
  const auto &[q, k, v] = parts;
  if (q.linear == k.linear || q.linear == v.linear || k.linear == v.linear)
    return false;
  return llvm::all_of(parts, [&, &q = q](const Projection &p) {
    return &p.x() == &q.x() && !p.bias == !q.bias && p.result().type.element == q.result().type.element;
  });
}

std::optional<Qkv> matchQkv(const Attention &attention) {
  auto q = projectionBehind(attention.q), k = projectionBehind(attention.k), v = projectionBehind(attention.v);
  if (!q || !k || !v || !fitTogether({*q, *k, *v}))
    return std::nullopt;
  return Qkv{*q, *k, *v};
}

Op &firstOf(const Graph &graph, const Qkv &parts) {
  auto isPart = [&](auto &op) {
    return llvm::any_of(parts, [&](const Projection &p) { return p.linear == op.get(); });
  };
  return **llvm::find_if(graph.ops(), isPart);
}

void fuse(Graph &graph, const Qkv &parts) {
  Op &first = firstOf(graph, parts);
  Linear &qkv = first.insertBefore<Linear>("qkv", {&parts[0].x()}, [&](Linear &op) {
    for (const Projection &p : parts) {
      op.weights.push(p.weight());
      if (p.bias)
        op.bias.push(*p.bias);
    }
    op.to = *parts[0].linear->to;
  });
  int64_t begin = 0;
  for (const Projection &p : parts) {
    int64_t size = p.result().type.dim(1).number();
    p.last->replaceWith<Slice>({&qkv.result()}, [&](Slice &op) {
      op.begin = begin;
      op.size = size;
    });
    begin += size;
    graph.erase(*p.last);
    if (p.last != p.linear)
      graph.erase(*p.linear);
  }
}

} // namespace

void fuseQkv(Graph &graph, const PassOptions &) {
  for (Attention &attention : graph.opsOf<Attention>())
    if (auto parts = matchQkv(attention))
      fuse(graph, *parts);
}

} // namespace sinter
