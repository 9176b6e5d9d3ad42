// SPDX-License-Identifier: Apache-2.0
// Result types of every op, and what does not fit, in words. The verifier compares them with the written types.
#include "ir/Ops.h"
#include "ir/Try.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

using llvm::Error;
using llvm::Expected;

template <typename... Args>
Error error(const char *format, Args &&...args) {
  return llvm::createStringError(llvm::formatv(format, std::forward<Args>(args)...).str());
}

/// The result's element type: `to`, or the input's when that is a float.
Expected<ElementType> resultElement(const std::optional<ElementType> &to, const Operand &x) {
  if (to)
    return *to;
  if (!x.type().element.isFloat())
    return error("'{0}' is {1}: the result's element type must be given as 'to'", x.name, x.type());
  return x.type().element;
}

Error expectRank(const OpMember &m, const Type &t, unsigned rank) {
  if (t.rank() == rank)
    return Error::success();
  return error("'{0}' has rank {1}, expected {2}: {3}", m.name, t.rank(), rank, t);
}
Error expectRank(const Operand &x, unsigned rank) { return expectRank(x, x.type(), rank); }

Error expectDim(const OpMember &m, const Type &t, int dim, Dim expected, llvm::StringRef what) {
  if (t.dim(dim) == expected)
    return Error::success();
  return error("'{0}' is {1}, expected {2} = {3} in dimension {4}", m.name, t, what, expected.str(),
               dim < 0 ? int(t.rank()) + dim : dim);
}

/// Float rows [R, N].
Error expectRows(const Operand &x) {
  if (Error e = expectRank(x, 2))
    return e;
  if (!x.type().element.isFloat())
    return error("'{0}' is {1}, expected floats", x.name, x.type());
  if (x.type().dim(1).isSymbol())
    return error("'{0}' is {1}, expected a number in dimension 1", x.name, x.type());
  return Error::success();
}

/// A float vector [n].
Error expectVector(const OpMember &m, const Type &t, Dim n, llvm::StringRef what) {
  if (Error e = expectRank(m, t, 1))
    return e;
  if (!t.element.isFloat())
    return error("'{0}' is {1}, expected floats", m.name, t);
  return expectDim(m, t, 0, n, what);
}

Error expectNumber(const Operand &x, int dim) {
  if (!x.type().dim(dim).isSymbol())
    return Error::success();
  return error("'{0}' is {1}, expected a number in dimension {2}", x.name, x.type(), dim);
}

Error expectTokens(const Operand &x) {
  if (x.type() == Type(Scalar::I32, {Dim::T}))
    return Error::success();
  return error("'{0}' is {1}, expected i32[T]", x.name, x.type());
}

Error expectSame(const Operand &a, const Operand &b) {
  if (a.type() == b.type())
    return Error::success();
  return error("'{0}' is {1} but '{2}' is {3}", a.name, a.type(), b.name, b.type());
}

/// Rows of whole heads of `headDim`.
Error expectHeads(const Operand &x, int64_t headDim) {
  if (Error e = expectRows(x))
    return e;
  if (headDim <= 0)
    return error("head_dim is {0}, expected a positive number", headDim);
  if (x.type().dim(1).number() % headDim)
    return error("'{0}' is {1}, expected a multiple of head_dim = {2} in dimension 1", x.name, x.type(), headDim);
  return Error::success();
}

Error expectEven(int64_t headDim) {
  if (headDim > 0 && headDim % 2 == 0)
    return Error::success();
  return error("head_dim is {0}, expected a positive even number", headDim);
}

Error expectTable(const Operand &table, int64_t headDim) {
  if (Error e = expectRank(table, 2))
    return e;
  if (table.type().element != ElementType(Scalar::F32))
    return error("'{0}' is {1}, expected f32", table.name, table.type());
  return expectDim(table, table.type(), 1, headDim, "head_dim");
}

/// A weight [N, K] for inputs of K columns.
Error expectWeight(const OpMember &m, const Type &w, const Operand &x) {
  if (Error e = expectRank(m, w, 2))
    return e;
  if (w.dim(0).isSymbol() || w.dim(1).isSymbol())
    return error("'{0}' is {1}, expected numbers as dimensions", m.name, w);
  return expectDim(m, w, 1, x.type().dim(1), "columns of the input");
}

/// Inputs of a matmul: rows of floats or of quantized activations.
Error expectMatmulInput(const Operand &x) {
  if (x.type().element.isQuantized())
    return expectRank(x, 2);
  return expectRows(x);
}

/// The norm that a matmul applies to its input: none, or one vector.
Error expectNorm(const NamedOperands &norm, const Operand &x) {
  if (norm.size() > 1)
    return error("'norm' has {0} vectors, expected one", norm.size());
  if (norm.empty())
    return Error::success();
  TRY(expectRows(x));
  return expectVector(norm, norm[0].type, x.type().dim(1), "columns of 'x'");
}

/// The operands that rope_append and rope_attention share.
template <typename OpT>
Error expectRopeAppend(const OpT &op) {
  TRY(expectEven(op.headDim));
  TRY(expectRows(op.qkv));
  TRY(expectDim(op.qkv, op.qkv.type(), 1, (op.heads + 2 * op.kvHeads) * op.headDim, "(heads + 2 kv_heads) * head_dim"));
  TRY(expectTokens(op.positions));
  TRY(expectTable(op.table, op.headDim));
  if (op.kvHeads <= 0 || op.heads % op.kvHeads)
    return error("heads = {0}, expected a multiple of kv_heads = {1}", *op.heads, *op.kvHeads);
  if (op.qNorm.size() != op.kNorm.size() || op.qNorm.size() > 1)
    return error("'q_norm' has {0} values and 'k_norm' {1}, expected one each or none", op.qNorm.size(),
                 op.kNorm.size());
  for (const NamedOperands *norm : {&op.qNorm, &op.kNorm})
    if (!norm->empty())
      TRY(expectVector(*norm, (*norm)[0].type, *op.headDim, "head_dim"));
  return Error::success();
}

Type withElement(Type t, ElementType e) {
  t.element = e;
  return t;
}

Error checkQuantized(const ElementType &e, const Operand &x) {
  if (e.isQuantized() && x.type().dim(1).number() % e.quant().group)
    return error("'{0}' is {1}, expected a multiple of the group {2} in dimension 1", x.name, x.type(),
                 e.quant().group);
  return Error::success();
}

} // namespace

Expected<Types> Embed::infer() const {
  TRY(expectTokens(tokens));
  TRY(expectRank(table, 2));
  TRY_ASSIGN(element, resultElement(to, table));
  return Types{Type(element, {Dim::T, table.type().dim(1)})};
}

Expected<Types> RmsNorm::infer() const {
  TRY(expectRows(x));
  TRY(expectVector(weight, weight.type(), x.type().dim(1), "columns of 'x'"));
  TRY_ASSIGN(element, resultElement(to, x));
  TRY(checkQuantized(element, x));
  return Types{withElement(x.type(), element)};
}

Expected<Types> HeadRmsNorm::infer() const {
  TRY(expectRank(weight, 1));
  TRY(expectNumber(weight, 0));
  TRY(expectHeads(x, weight.type().dim(0).number()));
  return Types{x.type()};
}

Expected<Types> Add::infer() const {
  TRY(expectRows(a));
  TRY(expectSame(a, b));
  return Types{a.type()};
}

Expected<Types> AddBias::infer() const {
  TRY(expectRows(x));
  TRY(expectVector(bias, bias.type(), x.type().dim(1), "columns of 'x'"));
  return Types{x.type()};
}

Expected<Types> AddRmsNorm::infer() const {
  TRY(expectRows(x));
  TRY(expectSame(x, delta));
  TRY(expectVector(weight, weight.type(), x.type().dim(1), "columns of 'x'"));
  TRY_ASSIGN(element, resultElement(to, x));
  TRY(checkQuantized(element, x));
  return Types{x.type(), withElement(x.type(), element)};
}

Expected<Types> Linear::infer() const {
  TRY(expectMatmulInput(x));
  if (weights.empty())
    return error("expected at least one weight");
  int64_t n = 0;
  for (auto &w : weights.uses()) {
    TRY(expectWeight(weights, w->get()->type, x));
    n += w->get()->type.dim(0).number();
  }
  if (!bias.empty() && bias.size() != weights.size())
    return error("'bias' has {0} vectors, expected one for each of the {1} weights", bias.size(), weights.size());
  for (size_t i = 0; i < bias.size(); ++i)
    TRY(expectVector(bias, bias[i].type, weights[i].type.dim(0), "rows of its weight"));
  TRY(expectNorm(norm, x));
  TRY_ASSIGN(element, resultElement(to, x));
  Type result(element, {x.type().dim(0), n});
  if (residual.size() > 1)
    return error("'residual' has {0} values, expected one", residual.size());
  if (!residual.empty() && residual[0].type != result)
    return error("'residual' is {0}, expected {1}", residual[0].type, result);
  return Types{result};
}

Expected<Types> SiluMul::infer() const {
  TRY(expectRows(gate));
  TRY(expectSame(gate, up));
  TRY_ASSIGN(element, resultElement(to, gate));
  TRY(checkQuantized(element, gate));
  return Types{withElement(gate.type(), element)};
}

Expected<Types> SwigluLinear::infer() const {
  TRY(expectMatmulInput(x));
  TRY(expectWeight(gate, gate.type(), x));
  TRY(expectSame(gate, up));
  if (!bias.empty() && bias.size() != 2)
    return error("'bias' has {0} vectors, expected gate's and up's", bias.size());
  for (auto &b : bias.uses())
    TRY(expectVector(bias, b->get()->type, gate.type().dim(0), "rows of the weights"));
  TRY(expectNorm(norm, x));
  TRY_ASSIGN(element, resultElement(to, x));
  if (element.isQuantized() && gate.type().dim(0).number() % element.quant().group)
    return error("'gate' is {0}, expected a multiple of the group {1} in dimension 0", gate.type(),
                 element.quant().group);
  return Types{Type(element, {x.type().dim(0), gate.type().dim(0)})};
}

Expected<Types> Rope::infer() const {
  TRY(expectEven(headDim));
  TRY(expectHeads(x, headDim));
  TRY(expectTokens(positions));
  return Types{x.type()};
}

Expected<Types> RopeTable::infer() const {
  TRY(expectEven(headDim));
  if (positions <= 0)
    return error("positions is {0}, expected a positive number", *positions);
  return Types{Type(Scalar::F32, {*positions, *headDim})};
}

Expected<Types> ApplyRope::infer() const {
  TRY(expectRank(table, 2));
  TRY(expectNumber(table, 1));
  TRY(expectTable(table, table.type().dim(1).number()));
  TRY(expectEven(table.type().dim(1).number()));
  TRY(expectHeads(x, table.type().dim(1).number()));
  TRY(expectTokens(positions));
  return Types{x.type()};
}

Expected<Types> Attention::infer() const {
  TRY(expectHeads(q, headDim));
  TRY(expectHeads(k, headDim));
  TRY(expectSame(k, v));
  if (q.type().dim(1).number() % k.type().dim(1).number())
    return error("'q' has {0} heads, expected a multiple of the {1} of 'k'", q.type().dim(1).number() / headDim,
                 k.type().dim(1).number() / headDim);
  return Types{q.type()};
}

Expected<Types> AppendKv::infer() const {
  TRY(expectHeads(k, headDim));
  TRY(expectSame(k, v));
  return Types{};
}

Expected<Types> PagedAttention::infer() const {
  TRY(expectHeads(q, headDim));
  int64_t heads = q.type().dim(1).number() / headDim;
  if (kvHeads <= 0 || heads % kvHeads)
    return error("'q' has {0} heads, expected a multiple of kv_heads = {1}", heads, *kvHeads);
  TRY_ASSIGN(element, resultElement(to, q));
  TRY(checkQuantized(element, q));
  return Types{withElement(q.type(), element)};
}

Expected<Types> RopeAppend::infer() const {
  TRY(expectRopeAppend(*this));
  return Types{Type(qkv.type().element, {Dim::T, heads * headDim})};
}

Expected<Types> RopeAttention::infer() const {
  TRY(expectRopeAppend(*this));
  return Types{Type(qkv.type().element, {Dim::T, heads * headDim})};
}

Expected<Types> LastTokens::infer() const {
  TRY(expectRows(x));
  TRY(expectDim(x, x.type(), 0, Dim::T, "tokens"));
  TRY_ASSIGN(element, resultElement(to, x));
  TRY(checkQuantized(element, x));
  return Types{Type(element, {Dim::S, x.type().dim(1)})};
}

Expected<Types> Slice::infer() const {
  TRY(expectRows(x));
  int64_t columns = x.type().dim(1).number();
  if (begin < 0 || size <= 0 || begin > columns || size > columns - begin)
    return error("columns [{0}, {1}) are not within the {2} of 'x'", *begin, begin + size, columns);
  return Types{Type(x.type().element, {x.type().dim(0), *size})};
}

Expected<Types> Cast::infer() const {
  TRY(expectRows(x));
  TRY(checkQuantized(to, x));
  return Types{withElement(x.type(), to)};
}

// The registry lies beside the ops' first virtual functions, so that whoever links it links the ops that fill it.

namespace {
std::vector<OpInfo> &registry() {
  static std::vector<OpInfo> ops;
  return ops;
}
} // namespace

OpRegistration::OpRegistration(OpInfo info) {
  auto at =
      llvm::lower_bound(registry(), info, [](const OpInfo &a, const OpInfo &b) { return a.mnemonic < b.mnemonic; });
  registry().insert(at, info);
}

llvm::ArrayRef<OpInfo> registeredOps() { return registry(); }

std::unique_ptr<Op> createOp(llvm::StringRef mnemonic) {
  for (const OpInfo &info : registry())
    if (info.mnemonic == mnemonic)
      return info.create();
  return nullptr;
}

} // namespace sinter
