// SPDX-License-Identifier: Apache-2.0
// Every op of the IR. A struct states operands, attributes and meaning; results are what infer() says, in its order.
//
// Shapes: T tokens of the step, S rows whose logits are wanted, R either of them; H hidden, D head_dim, K and N a
// matmul's inner and outer dimension. Weights are [N, K], as checkpoints have them: y = x W^T.
// `to` is the element type of the result; without it a result has the type of the (float) input.
#pragma once
#include "ir/Graph.h"
#include "ir/Rope.h"

namespace sinter {

#define SINTER_OP(NAME)                                                                                                \
  static constexpr llvm::StringLiteral Mnemonic = NAME;                                                                \
  llvm::Expected<Types> infer() const override;                                                                        \
  llvm::Error evaluate(Evaluator &) const override;

/// y[t] = table[tokens[t]].   i32[T], [V, H] -> [T, H]
struct Embed : OpImpl<Embed> {
  SINTER_OP("embed")
  Operand tokens{*this, "tokens"}, table{*this, "table"};
  Attr<std::optional<ElementType>> to{*this, "to", std::nullopt};
};

/// y = x * rsqrt(mean(x*x) + eps) * weight, over the last dimension (Zhang and Sennrich 2019).   [R, H], [H] -> [R, H]
struct RmsNorm : OpImpl<RmsNorm> {
  SINTER_OP("rms_norm")
  Operand x{*this, "x"}, weight{*this, "weight"};
  Attr<double> eps{*this, "eps", 1e-6};
  Attr<std::optional<ElementType>> to{*this, "to", std::nullopt};
};

/// rms_norm of every head by itself.   [T, n*D], [D] -> [T, n*D]
struct HeadRmsNorm : OpImpl<HeadRmsNorm> {
  SINTER_OP("head_rms_norm")
  Operand x{*this, "x"}, weight{*this, "weight"};
  Attr<double> eps{*this, "eps", 1e-6};
};

/// y = a + b.   [R, N], [R, N] -> [R, N]
struct Add : OpImpl<Add> {
  SINTER_OP("add")
  Operand a{*this, "a"}, b{*this, "b"};
};

/// y[r] = x[r] + bias.   [R, N], [N] -> [R, N]
struct AddBias : OpImpl<AddBias> {
  SINTER_OP("add_bias")
  Operand x{*this, "x"}, bias{*this, "bias"};
};

/// sum = x + delta; y = rms_norm(sum, weight).   -> sum, y
struct AddRmsNorm : OpImpl<AddRmsNorm> {
  SINTER_OP("add_rms_norm")
  Operand x{*this, "x"}, delta{*this, "delta"}, weight{*this, "weight"};
  Attr<double> eps{*this, "eps", 1e-6};
  Attr<std::optional<ElementType>> to{*this, "to", std::nullopt}; ///< of y
};

/// y = x W^T (+ bias) (+ residual); several weights are stacked along N.   [R, K], [Ni, K]... -> [R, sum Ni]
/// `bias` is empty or has one vector a weight. With `norm` [K], x stands for its rms_norm with that weight and `eps`.
struct Linear : OpImpl<Linear> {
  SINTER_OP("linear")
  Operand x{*this, "x"};
  OperandList weights{*this, "weights"};
  NamedOperands bias{*this, "bias"}, residual{*this, "residual"}, norm{*this, "norm"};
  Attr<double> eps{*this, "eps", 1e-6};
  Attr<std::optional<ElementType>> to{*this, "to", std::nullopt};
};

/// y = silu(gate) * up, silu(v) = v / (1 + exp(-v)).   [T, F], [T, F] -> [T, F]
struct SiluMul : OpImpl<SiluMul> {
  SINTER_OP("silu_mul")
  Operand gate{*this, "gate"}, up{*this, "up"};
  Attr<std::optional<ElementType>> to{*this, "to", std::nullopt};
};

/// y = silu(x G^T) * (x U^T), gate and up rows streamed interleaved (Shazeer 2020).   [T, K], [F, K], [F, K] -> [T, F]
/// `bias` is empty or gate's and up's; `norm` and `eps` as in linear.
struct SwigluLinear : OpImpl<SwigluLinear> {
  SINTER_OP("swiglu_linear")
  Operand x{*this, "x"}, gate{*this, "gate"}, up{*this, "up"};
  NamedOperands bias{*this, "bias"}, norm{*this, "norm"};
  Attr<double> eps{*this, "eps", 1e-6};
  Attr<std::optional<ElementType>> to{*this, "to", std::nullopt};
};

/// Rotates each head's pairs (i, i + D/2) by position * frequency i.   [T, n*D], i32[T] -> [T, n*D]
struct Rope : OpImpl<Rope> {
  SINTER_OP("rope")
  Operand x{*this, "x"}, positions{*this, "positions"};
  Attr<RopeParams> rope{*this, "rope"};
  Attr<int64_t> headDim{*this, "head_dim"};
};

/// The angles of `positions` positions: cos of the D/2 rotations, then their sin.   -> f32[positions, D]
struct RopeTable : OpImpl<RopeTable> {
  SINTER_OP("rope_table")
  Attr<RopeParams> rope{*this, "rope"};
  Attr<int64_t> headDim{*this, "head_dim"}, positions{*this, "positions"};
  bool isConstant() const override { return true; }
};

/// rope with the angles read from a table.   [T, n*D], i32[T], f32[P, D] -> [T, n*D]
struct ApplyRope : OpImpl<ApplyRope> {
  SINTER_OP("apply_rope")
  Operand x{*this, "x"}, positions{*this, "positions"}, table{*this, "table"};
};

/// Causal attention of the step's tokens over their sequences so far, keys and values of this step included; heads
/// share key/value heads in groups (GQA).   [T, n*D], [T, m*D], [T, m*D] -> [T, n*D]
struct Attention : OpImpl<Attention> {
  SINTER_OP("attention")
  Operand q{*this, "q"}, k{*this, "k"}, v{*this, "v"};
  Attr<int64_t> headDim{*this, "head_dim"}, layer{*this, "layer"};
  Attr<double> scale{*this, "scale", 0}; ///< of the scores; 0: 1/sqrt(D)
  bool hasSideEffects() const override { return true; }
};

/// Appends the step's keys and values to the layer's paged cache, stored as `kv_type`.   [T, m*D], [T, m*D]
struct AppendKv : OpImpl<AppendKv> {
  SINTER_OP("append_kv")
  Operand k{*this, "k"}, v{*this, "v"};
  Attr<int64_t> headDim{*this, "head_dim"}, layer{*this, "layer"};
  Attr<ElementType> kvType{*this, "kv_type", Scalar::F32};
  bool hasSideEffects() const override { return true; }
};

/// Attention over the cache alone.   [T, n*D] -> [T, n*D]
struct PagedAttention : OpImpl<PagedAttention> {
  SINTER_OP("paged_attention")
  Operand q{*this, "q"};
  Attr<int64_t> headDim{*this, "head_dim"}, kvHeads{*this, "kv_heads"}, layer{*this, "layer"};
  Attr<double> scale{*this, "scale", 0};
  Attr<ElementType> kvType{*this, "kv_type", Scalar::F32};
  Attr<std::optional<ElementType>> to{*this, "to", std::nullopt};
  bool hasSideEffects() const override { return true; } ///< reads what append_kv wrote: not merged, not moved
};

/// What lies between the QKV matmul and attention: optional per-head norms of q and k (both or none), rope of both,
/// append of k and v; gives the queries.   [T, (n + 2m)*D], i32[T], f32[P, D] -> [T, n*D]
struct RopeAppend : OpImpl<RopeAppend> {
  SINTER_OP("rope_append")
  Operand qkv{*this, "qkv"}, positions{*this, "positions"}, table{*this, "table"};
  NamedOperands qNorm{*this, "q_norm"}, kNorm{*this, "k_norm"};
  Attr<int64_t> heads{*this, "heads"}, kvHeads{*this, "kv_heads"}, headDim{*this, "head_dim"}, layer{*this, "layer"};
  Attr<double> eps{*this, "eps", 1e-6};
  Attr<ElementType> kvType{*this, "kv_type", Scalar::F32};
  bool hasSideEffects() const override { return true; }
};

/// rope_append, then paged_attention of its queries.   [T, (n + 2m)*D], i32[T], f32[P, D] -> [T, n*D]
struct RopeAttention : OpImpl<RopeAttention> {
  SINTER_OP("rope_attention")
  Operand qkv{*this, "qkv"}, positions{*this, "positions"}, table{*this, "table"};
  NamedOperands qNorm{*this, "q_norm"}, kNorm{*this, "k_norm"};
  Attr<int64_t> heads{*this, "heads"}, kvHeads{*this, "kv_heads"}, headDim{*this, "head_dim"}, layer{*this, "layer"};
  Attr<double> eps{*this, "eps", 1e-6};
  Attr<double> scale{*this, "scale", 0};
  Attr<ElementType> kvType{*this, "kv_type", Scalar::F32};
  bool hasSideEffects() const override { return true; }
};

/// The rows whose logits are wanted.   [T, H] -> [S, H]
struct LastTokens : OpImpl<LastTokens> {
  SINTER_OP("last_tokens")
  Operand x{*this, "x"};
  Attr<std::optional<ElementType>> to{*this, "to", std::nullopt};
};

/// Columns [begin, begin + size).   [R, N] -> [R, size]
struct Slice : OpImpl<Slice> {
  SINTER_OP("slice")
  Operand x{*this, "x"};
  Attr<int64_t> begin{*this, "begin"}, size{*this, "size"};
};

/// Rounds to another element type; to a quantized one: every group by its largest magnitude.   [R, N] -> [R, N]
struct Cast : OpImpl<Cast> {
  SINTER_OP("cast")
  Operand x{*this, "x"};
  Attr<ElementType> to{*this, "to"};
};

#undef SINTER_OP

} // namespace sinter
