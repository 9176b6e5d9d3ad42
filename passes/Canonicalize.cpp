// SPDX-License-Identifier: Apache-2.0
// canonicalize: small rewrites that leave less to do, until none applies.
//
//   slice of slice                       one slice                    a slice of everything       its input
//   cast to the type it has              its input                    widening and back           the input
//
// and last_tokens rises above ops that work row by row, so that only the rows whose logits are wanted are computed: at
// the end of the model, the last layer's output projection, MLP and the final norm.
//
//   %n = rms_norm %x, @w : f32[T, 64]           %l.1 = last_tokens %x : f32[S, 64]
//   %l = last_tokens %n : f32[S, 64]     =>     %l = rms_norm %l.1, @w : f32[S, 64]
//
// last_tokens does not rise when another op reads the value too, when it changes the type of the rows, above an input
// that is quantized (there are no rows of floats to take), nor above attention, which must see every token's keys and
// values.

#include "ir/Ops.h"
#include "passes/Pass.h"
#include "llvm/ADT/SmallVectorExtras.h"

namespace sinter {

namespace {

/// `op` computes what `v` holds already.
void replaceByValue(Op &op, Value &v) {
  op.result().replaceAllUsesWith(v);
  op.graph().erase(op);
}

bool simplify(Slice &slice) {
  if (slice.begin == 0 && Dim(slice.size) == slice.x.type().dim(1)) {
    replaceByValue(slice, slice.x);
    return true;
  }
  auto *inner = slice.x.definedBy<Slice>();
  if (!inner)
    return false;
  slice.begin = *slice.begin + *inner->begin;
  slice.x.set(inner->x);
  return true;
}

bool simplify(Cast &cast) {
  if (*cast.to == cast.x.type().element) {
    replaceByValue(cast, cast.x);
    return true;
  }
  auto *inner = cast.x.definedBy<Cast>();
  bool widened = inner && *inner->to == ElementType(Scalar::F32) && inner->x.type().element == *cast.to;
  if (widened && cast.to->isFloat()) {
    replaceByValue(cast, inner->x);
    return true;
  }
  return false;
}

/// Row r of the results depends on row r of the operands alone.
bool isRowWise(const Op &op) {
  return llvm::isa<RmsNorm, Add, AddBias, AddRmsNorm, Linear, SiluMul, SwigluLinear, Slice, Cast>(&op);
}

bool hasTokenRows(const Value &v) { return !v.isWeight() && v.type.rank() == 2 && v.type.dim(0) == Dim(Dim::T); }

bool canTakeLastRows(const Op &op) {
  auto takesLastRows = [](Use *use) {
    auto *last = llvm::dyn_cast_or_null<LastTokens>(use->owner);
    return last && last->result().type.element == last->x.type().element;
  };
  auto onlyLastRowsWanted = [&](auto &result) { return llvm::all_of(result->uses(), takesLastRows); };
  auto rowsCanBeTaken = [](Use *use) { return !hasTokenRows(*use->get()) || use->get()->type.element.isFloat(); };
  return isRowWise(op) && llvm::all_of(op.results(), onlyLastRowsWanted) && llvm::all_of(op.operands(), rowsCanBeTaken);
}

/// The op computes only the last rows, from the last rows of its operands, and takes last_tokens' places.
void takeLastRows(Op &op) {
  llvm::SmallDenseMap<Value *, Value *> taken;
  for (Use *use : op.operands()) {
    Value *v = use->get();
    if (!hasTokenRows(*v))
      continue;
    Value *&rows = taken[v];
    if (!rows)
      rows = &op.insertBefore<LastTokens>(v->name, {v}).result();
    use->set(rows);
  }
  op.setResultTypes(llvm::cantFail(op.infer()));
  for (auto &result : op.results()) {
    auto lasts = llvm::map_to_vector(result->uses(), [](Use *use) { return use->owner; });
    for (Op *last : lasts) {
      result->name = last->result().name;
      replaceByValue(*last, *result);
    }
  }
}

bool simplify(LastTokens &last) {
  Op *op = last.x->def();
  if (!op || !canTakeLastRows(*op))
    return false;
  takeLastRows(*op);
  return true;
}

template <typename OpT>
bool simplifyFirst(Graph &graph) {
  for (OpT &op : graph.opsOf<OpT>())
    if (simplify(op)) // may erase others of its kind: look anew
      return true;
  return false;
}

} // namespace

void canonicalize(Graph &graph, const PassOptions &) {
  while (simplifyFirst<Slice>(graph) || simplifyFirst<Cast>(graph) || simplifyFirst<LastTokens>(graph))
    graph.eraseDead();
}

} // namespace sinter
