// SPDX-License-Identifier: Apache-2.0
// The meaning of every op: float32, plain loops, no code shared with any kernel.
#include "ir/Interpreter.h"
#include "ir/Ops.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>
#include <cmath>

namespace sinter {

using llvm::Error;

namespace {

float dot(const float *a, const float *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += double(a[i]) * b[i];
  return float(sum);
}

void rmsNormRow(const float *x, const float *weight, double eps, int64_t n, float *y) {
  double squares = 0;
  for (int64_t i = 0; i < n; ++i)
    squares += double(x[i]) * x[i];
  float scale = float(1 / std::sqrt(squares / double(n) + eps));
  for (int64_t i = 0; i < n; ++i)
    y[i] = x[i] * scale * weight[i];
}

float silu(float v) { return v / (1 + std::exp(-v)); }

/// One head's rotation in place; `angles` holds cos of the pairs, then sin.
void rotate(float *head, const float *angles, int64_t headDim) {
  int64_t half = headDim / 2;
  for (int64_t i = 0; i < half; ++i) {
    float a = head[i], b = head[i + half], c = angles[i], s = angles[i + half];
    head[i] = a * c - b * s;
    head[i + half] = b * c + a * s;
  }
}

std::vector<float> ropeAngles(const RopeParams &rope, int64_t headDim, int64_t position) {
  std::vector<double> frequencies = rope.frequencies(headDim);
  double scale = rope.attentionScale();
  std::vector<float> angles(headDim);
  for (int64_t i = 0; i < headDim / 2; ++i) {
    // Positions times frequencies in float32, as the models were trained.
    float angle = float(position) * float(frequencies[i]);
    angles[i] = float(std::cos(double(angle)) * scale);
    angles[i + headDim / 2] = float(std::sin(double(angle)) * scale);
  }
  return angles;
}

Error appendKv(Evaluator &e, int64_t layer, ElementType type, const Tensor &k, const Tensor &v) {
  for (size_t t = 0; t < e.step().tokens.size(); ++t) {
    KvState::Rows &rows = e.cache(layer, e.step().sequences[t]);
    if (int64_t(rows.k.size()) != e.step().positions[t] * k.columns())
      return llvm::createStringError(
          llvm::formatv("the KV cache of layer {0} holds {1} tokens of sequence {2}, but the "
                        "next has position {3}",
                        layer, rows.k.size() / k.columns(), e.step().sequences[t], e.step().positions[t])
              .str());
    auto append = [&](std::vector<float> &to, const Tensor &from) {
      to.insert(to.end(), from.row(t), from.row(t) + from.columns());
      roundTo(type, llvm::MutableArrayRef(to).take_back(from.columns()));
    };
    append(rows.k, k);
    append(rows.v, v);
  }
  return Error::success();
}

/// Softmax over the scores of positions 0..p of one head; `out` gets the weighted values.
void attendHead(const float *q, const KvState::Rows &rows, int64_t context, int64_t stride, int64_t offset,
                int64_t headDim, float scale, float *out) {
  std::vector<float> scores(context);
  float largest = -INFINITY;
  for (int64_t j = 0; j < context; ++j) {
    scores[j] = dot(q, rows.k.data() + j * stride + offset, headDim) * scale;
    largest = std::max(largest, scores[j]);
  }
  double total = 0;
  for (float &s : scores)
    total += s = std::exp(s - largest);
  for (int64_t i = 0; i < headDim; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < context; ++j)
      sum += double(scores[j]) * rows.v[j * stride + offset + i];
    out[i] = float(sum / total);
  }
}

void attend(Evaluator &e, int64_t layer, int64_t headDim, int64_t kvHeads, double scale, const Tensor &q, Tensor &y) {
  int64_t heads = q.columns() / headDim, stride = kvHeads * headDim;
  float factor = float(scale != 0 ? scale : 1 / std::sqrt(double(headDim)));
  for (int64_t t = 0; t < q.rows(); ++t) {
    const KvState::Rows &rows = e.cache(layer, e.step().sequences[t]);
    for (int64_t h = 0; h < heads; ++h)
      attendHead(q.row(t) + h * headDim, rows, e.step().positions[t] + 1, stride, h / (heads / kvHeads) * headDim,
                 headDim, factor, y.row(t) + h * headDim);
  }
}

/// y[r, column + n] = x[r] . w[n] + bias[n]
void matmul(const Tensor &x, const Tensor &w, const Tensor *bias, Tensor &y, int64_t column) {
  for (int64_t r = 0; r < x.rows(); ++r)
    for (int64_t n = 0; n < w.rows(); ++n)
      y.row(r)[column + n] = dot(x.row(r), w.row(n), x.columns()) + (bias ? bias->data[n] : 0);
}

const Tensor *optional(Evaluator &e, const OperandMember &m, size_t i) { return m.empty() ? nullptr : &e[m[i]]; }

/// What a matmul multiplies: x, or its rms_norm.
template <typename OpT>
Tensor matmulInput(Evaluator &e, const OpT &op) {
  Tensor x = e[op.x];
  if (const Tensor *norm = optional(e, op.norm, 0))
    for (int64_t r = 0; r < x.rows(); ++r)
      rmsNormRow(x.row(r), norm->data.data(), op.eps, x.columns(), x.row(r));
  return x;
}

} // namespace

Error Embed::evaluate(Evaluator &e) const {
  const Tensor &rows = e[table];
  Tensor &y = e.result(*this);
  for (int64_t t = 0; t < y.rows(); ++t) {
    int64_t token = int64_t(e[tokens].data[t]);
    if (token < 0 || token >= rows.rows())
      return llvm::createStringError(
          llvm::formatv("token {0} is outside the table of {1} rows", token, rows.rows()).str());
    std::copy_n(rows.row(token), y.columns(), y.row(t));
  }
  return Error::success();
}

Error RmsNorm::evaluate(Evaluator &e) const {
  for (int64_t r = 0; r < e[x].rows(); ++r)
    rmsNormRow(e[x].row(r), e[weight].data.data(), eps, e[x].columns(), e.result(*this).row(r));
  return Error::success();
}

Error HeadRmsNorm::evaluate(Evaluator &e) const {
  int64_t headDim = e[weight].columns();
  for (int64_t r = 0; r < e[x].rows(); ++r)
    for (int64_t h = 0; h < e[x].columns(); h += headDim)
      rmsNormRow(e[x].row(r) + h, e[weight].data.data(), eps, headDim, e.result(*this).row(r) + h);
  return Error::success();
}

Error Add::evaluate(Evaluator &e) const {
  std::transform(e[a].data.begin(), e[a].data.end(), e[b].data.begin(), e.result(*this).data.begin(), std::plus<>());
  return Error::success();
}

Error AddBias::evaluate(Evaluator &e) const {
  for (int64_t r = 0; r < e[x].rows(); ++r)
    std::transform(e[x].row(r), e[x].row(r) + e[x].columns(), e[bias].data.begin(), e.result(*this).row(r),
                   std::plus<>());
  return Error::success();
}

Error AddRmsNorm::evaluate(Evaluator &e) const {
  Tensor &sum = e.result(*this, 0);
  std::transform(e[x].data.begin(), e[x].data.end(), e[delta].data.begin(), sum.data.begin(), std::plus<>());
  for (int64_t r = 0; r < sum.rows(); ++r) {
    roundTo(sum.element, {sum.row(r), size_t(sum.columns())});
    rmsNormRow(sum.row(r), e[weight].data.data(), eps, sum.columns(), e.result(*this, 1).row(r));
  }
  return Error::success();
}

Error Linear::evaluate(Evaluator &e) const {
  Tensor &y = e.result(*this);
  Tensor input = matmulInput(e, *this);
  int64_t column = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    matmul(input, e[weights[i]], optional(e, bias, i), y, column);
    column += e[weights[i]].rows();
  }
  if (!residual.empty())
    std::transform(y.data.begin(), y.data.end(), e[residual[0]].data.begin(), y.data.begin(), std::plus<>());
  return Error::success();
}

Error SiluMul::evaluate(Evaluator &e) const {
  std::transform(e[gate].data.begin(), e[gate].data.end(), e[up].data.begin(), e.result(*this).data.begin(),
                 [](float g, float u) { return silu(g) * u; });
  return Error::success();
}

Error SwigluLinear::evaluate(Evaluator &e) const {
  Tensor &y = e.result(*this);
  Tensor g = y, u = y, input = matmulInput(e, *this);
  matmul(input, e[gate], optional(e, bias, 0), g, 0);
  matmul(input, e[up], optional(e, bias, 1), u, 0);
  std::transform(g.data.begin(), g.data.end(), u.data.begin(), y.data.begin(),
                 [](float g, float u) { return silu(g) * u; });
  return Error::success();
}

Error Rope::evaluate(Evaluator &e) const {
  Tensor &y = e.result(*this);
  y.data = e[x].data;
  for (int64_t t = 0; t < y.rows(); ++t) {
    std::vector<float> angles = ropeAngles(rope, headDim, int64_t(e[positions].data[t]));
    for (int64_t h = 0; h < y.columns(); h += headDim)
      rotate(y.row(t) + h, angles.data(), headDim);
  }
  return Error::success();
}

Error RopeTable::evaluate(Evaluator &e) const {
  for (int64_t p = 0; p < positions; ++p)
    std::ranges::copy(ropeAngles(rope, headDim, p), e.result(*this).row(p));
  return Error::success();
}

namespace {
/// The table's row of a position, or an error when the table ends before it.
llvm::Expected<const float *> tableRow(const Tensor &table, float position) {
  if (position < 0 || int64_t(position) >= table.rows())
    return llvm::createStringError(
        llvm::formatv("position {0} is outside the table of {1} rows", int64_t(position), table.rows()).str());
  return table.row(int64_t(position));
}
} // namespace

Error ApplyRope::evaluate(Evaluator &e) const {
  Tensor &y = e.result(*this);
  y.data = e[x].data;
  int64_t headDim = e[table].columns();
  for (int64_t t = 0; t < y.rows(); ++t) {
    auto angles = tableRow(e[table], e[positions].data[t]);
    if (!angles)
      return angles.takeError();
    for (int64_t h = 0; h < y.columns(); h += headDim)
      rotate(y.row(t) + h, *angles, headDim);
  }
  return Error::success();
}

Error Attention::evaluate(Evaluator &e) const {
  if (Error error = appendKv(e, layer, k.type().element, e[k], e[v]))
    return error;
  attend(e, layer, headDim, e[k].columns() / headDim, scale, e[q], e.result(*this));
  return Error::success();
}

Error AppendKv::evaluate(Evaluator &e) const { return appendKv(e, layer, kvType, e[k], e[v]); }

Error PagedAttention::evaluate(Evaluator &e) const {
  attend(e, layer, headDim, kvHeads, scale, e[q], e.result(*this));
  return Error::success();
}

namespace {
/// Norms, rotates and appends; `q` gets the queries.
template <typename OpT>
Error ropeAppend(Evaluator &e, const OpT &op, Tensor &q) {
  const Tensor &in = e[op.qkv];
  int64_t headDim = op.headDim, kvHeads = op.kvHeads;
  Tensor k{in.element, {in.rows(), kvHeads * headDim}, std::vector<float>(in.rows() * kvHeads * headDim)}, v = k;
  for (int64_t t = 0; t < in.rows(); ++t) {
    auto angles = tableRow(e[op.table], e[op.positions].data[t]);
    if (!angles)
      return angles.takeError();
    auto normAndRotate = [&](const float *from, const Tensor *norm, float *to, int64_t columns) {
      std::copy_n(from, columns, to);
      for (int64_t h = 0; h < columns; h += headDim) {
        if (norm)
          rmsNormRow(to + h, norm->data.data(), op.eps, headDim, to + h);
        roundTo(in.element, {to + h, size_t(headDim)});
        rotate(to + h, *angles, headDim);
        roundTo(in.element, {to + h, size_t(headDim)});
      }
    };
    const float *row = in.row(t);
    normAndRotate(row, optional(e, op.qNorm, 0), q.row(t), q.columns());
    normAndRotate(row + q.columns(), optional(e, op.kNorm, 0), k.row(t), k.columns());
    std::copy_n(row + q.columns() + k.columns(), v.columns(), v.row(t));
  }
  return appendKv(e, op.layer, op.kvType, k, v);
}
} // namespace

Error RopeAppend::evaluate(Evaluator &e) const { return ropeAppend(e, *this, e.result(*this)); }

Error RopeAttention::evaluate(Evaluator &e) const {
  Tensor &y = e.result(*this);
  Tensor q = y;
  if (Error error = ropeAppend(e, *this, q))
    return error;
  attend(e, layer, headDim, kvHeads, scale, q, y);
  return Error::success();
}

Error LastTokens::evaluate(Evaluator &e) const {
  Tensor &y = e.result(*this);
  for (int64_t s = 0; s < y.rows(); ++s)
    std::copy_n(e[x].row(e.step().logitRows[s]), y.columns(), y.row(s));
  return Error::success();
}

Error Slice::evaluate(Evaluator &e) const {
  Tensor &y = e.result(*this);
  for (int64_t r = 0; r < y.rows(); ++r)
    std::copy_n(e[x].row(r) + begin, y.columns(), y.row(r));
  return Error::success();
}

Error Cast::evaluate(Evaluator &e) const {
  e.result(*this).data = e[x].data; // the interpreter rounds every result to its type
  return Error::success();
}

} // namespace sinter
