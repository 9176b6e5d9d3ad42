// SPDX-License-Identifier: Apache-2.0
// The interpreter's loop, rounding to element types, and random weights and inputs for checks of meaning.
#include "ir/Interpreter.h"
#include "ir/Ops.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/xxhash.h"
#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace sinter {

namespace {

float roundBf16(float v) {
  auto bits = std::bit_cast<uint32_t>(v);
  if (std::isnan(v))
    return v;
  bits += 0x7fff + ((bits >> 16) & 1);
  return std::bit_cast<float>(bits & 0xffff0000u);
}

float roundF16(float v) {
  if (!std::isfinite(v))
    return v;
  // 11 significant bits above 2^-14, a fixed step of 2^-24 below; beyond 65504 + half a step lies infinity.
  int exponent;
  std::frexp(v, &exponent);
  float step = std::ldexp(1.0f, std::max(exponent - 11, -24));
  float rounded = std::nearbyint(v / step) * step;
  return std::fabs(rounded) > 65504.0f ? std::copysign(std::numeric_limits<float>::infinity(), v) : rounded;
}

/// Symmetric: the group's largest magnitude becomes the largest code.
void roundGroup(const Quant &q, llvm::MutableArrayRef<float> group) {
  assert(q.isSigned && !q.hasMin && !q.subBits && "only activations are quantized by rounding");
  float largest = 0;
  for (float v : group)
    largest = std::max(largest, std::fabs(v));
  float scale = largest / float((1 << (q.bits - 1)) - 1);
  for (float &v : group)
    v = scale == 0 ? 0 : std::nearbyint(v / scale) * scale;
}

} // namespace

void roundTo(ElementType element, llvm::MutableArrayRef<float> row) {
  if (element.isQuantized()) {
    for (size_t i = 0; i < row.size(); i += element.quant().group)
      roundGroup(element.quant(), row.slice(i, std::min<size_t>(element.quant().group, row.size() - i)));
    return;
  }
  if (element.scalar() == Scalar::BF16)
    for (float &v : row)
      v = roundBf16(v);
  else if (element.scalar() == Scalar::F16)
    for (float &v : row)
      v = roundF16(v);
}

const Tensor &Evaluator::operator[](const Operand &o) const { return values.at(&o.get()); }

llvm::Error Evaluator::loadWeights(const Op &op) {
  for (Use *use : op.operands()) {
    const Value &v = *use->get();
    if (!v.isWeight() || values.contains(&v))
      continue;
    auto tensor = weights.read(v);
    if (!tensor)
      return tensor.takeError();
    values.try_emplace(&v, std::move(*tensor));
  }
  return llvm::Error::success();
}

llvm::Error Evaluator::evaluate(const Op &op) {
  if (llvm::Error e = loadWeights(op))
    return e;
  for (auto &r : op.results()) {
    Tensor t{r->type.element, {}, {}};
    int64_t size = 1;
    for (Dim d : r->type.shape)
      size *= t.shape.emplace_back(d.resolve(int64_t(current->tokens.size()), int64_t(current->logitRows.size())));
    t.data.assign(size, std::numeric_limits<float>::quiet_NaN());
    values.insert_or_assign(r.get(), std::move(t));
  }
  if (llvm::Error e = op.evaluate(*this))
    return llvm::joinErrors(llvm::createStringError("in " + str(op)), std::move(e));
  for (auto &r : op.results()) {
    Tensor &t = values.at(r.get());
    for (int64_t i = 0; i < t.rows(); ++i)
      roundTo(t.element, {t.row(i), size_t(t.columns())});
  }
  return onOp ? onOp(op) : llvm::Error::success();
}

llvm::Error Evaluator::run(const EvalStep &step, std::vector<Tensor> inputs) {
  current = &step;
  for (auto [param, input] : llvm::zip_equal(graph.params(), inputs))
    values.insert_or_assign(param.get(), std::move(input));

  llvm::DenseMap<const Value *, const Op *> lastUse;
  for (auto &op : graph.ops())
    for (Use *use : op->operands())
      lastUse[use->get()] = op.get();
  for (auto &r : graph.returns())
    lastUse[r->get()] = nullptr;

  for (auto &op : graph.ops()) {
    if (llvm::Error e = evaluate(*op))
      return e;
    if (!keepValues)
      for (Use *use : op->operands())
        if (lastUse[use->get()] == op.get())
          values.erase(use->get());
  }
  return llvm::Error::success();
}

std::vector<Tensor> Evaluator::returns() const {
  std::vector<Tensor> result;
  for (auto &r : graph.returns())
    result.push_back(values.at(r->get()));
  return result;
}

llvm::Expected<Tensor> RandomWeights::read(const Value &weight) {
  std::mt19937_64 rng(seed ^ llvm::xxh3_64bits(weight.name));
  Tensor t{weight.type.element, {}, {}};
  for (Dim d : weight.type.shape)
    t.shape.push_back(d.number());
  bool vector = t.shape.size() == 1;
  std::normal_distribution<float> normal(vector ? 1.0f : 0.0f, vector ? 0.3f : 1 / std::sqrt(float(t.columns())));
  t.data.resize(weight.type.numElements());
  for (float &v : t.data)
    v = normal(rng);
  if (t.element.isFloat())
    roundTo(t.element, t.data);
  return t;
}

RandomStep randomStep(const Graph &graph, uint64_t seed, const StepShape &shape) {
  std::mt19937_64 rng(seed);
  RandomStep r;
  for (auto [sequence, begin, length] : llvm::enumerate(shape.begin, shape.lengths)) {
    for (int32_t p = begin; p < begin + length; ++p) {
      r.step.tokens.push_back(int32_t(rng() % 8));
      r.step.positions.push_back(p);
      r.step.sequences.push_back(int32_t(sequence));
    }
    r.step.logitRows.push_back(int32_t(r.step.tokens.size()) - 1);
  }
  std::normal_distribution<float> normal;
  for (auto &p : graph.params()) {
    Tensor t{p->type.element, {}, {}};
    int64_t size = 1;
    for (Dim d : p->type.shape)
      size *= t.shape.emplace_back(d.resolve(int64_t(r.step.tokens.size()), int64_t(r.step.logitRows.size())));
    bool isInt = !t.element.isQuantized() && t.element.scalar() == Scalar::I32;
    if (isInt && size == int64_t(r.step.tokens.size())) {
      auto &ints = p->name == "positions" ? r.step.positions : r.step.tokens;
      t.data.assign(ints.begin(), ints.end());
    } else {
      for (int64_t i = 0; i < size; ++i)
        t.data.push_back(normal(rng));
      for (int64_t i = 0; i < t.rows(); ++i)
        roundTo(t.element, {t.row(i), size_t(t.columns())});
    }
    r.inputs.push_back(std::move(t));
  }
  return r;
}

} // namespace sinter
