// SPDX-License-Identifier: Apache-2.0
// Sizes, places and bytes of packed weights.
#include "codegen/WeightTable.h"
#include "codegen/cpu/PackLinear.h"
#include "codegen/cuda/PackAtoms.h"
#include "ir/Interpreter.h"
#include "ir/Ops.h"
#include "ir/Try.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

namespace sinter {

namespace {

constexpr uint64_t itemAlignment = 128; ///< two cache lines: more than vectors, bulk copies and tensor maps ask for

uint64_t sizeOf(WeightItem::Layout layout, llvm::ArrayRef<const Value *> weights) {
  const Type &type = weights[0]->type;
  switch (layout) {
  case WeightItem::Layout::Linear:
  case WeightItem::Layout::Swiglu:
    return weights.size() * packedLinearBytes(type.element, type.dim(0).number(), type.dim(1).number());
  case WeightItem::Layout::Vector:
    return type.numElements() * scalarSize(type.element.scalar());
  case WeightItem::Layout::Floats:
  case WeightItem::Layout::Constant: {
    uint64_t elements = 0;
    for (const Value *w : weights)
      elements += w->type.numElements();
    return elements * sizeof(float);
  }
  case WeightItem::Layout::Atoms:
  case WeightItem::Layout::SwigluAtoms:
    return packedAtomBytes(weights);
  }
  llvm_unreachable("a layout without a size");
}

void storeAs(ElementType element, llvm::ArrayRef<float> values, uint8_t *out) {
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, &values[i], sizeof(bits));
    if (element.scalar() == Scalar::F32) {
      std::memcpy(out + 4 * i, &bits, 4);
    } else if (element.scalar() == Scalar::BF16) {
      uint16_t half = uint16_t(bits >> 16); // exact: it came from the file as bfloat16
      std::memcpy(out + 2 * i, &half, 2);
    } else {
      _Float16 half = _Float16(values[i]);
      std::memcpy(out + 2 * i, &half, 2);
    }
  }
}

llvm::Error packVector(const WeightTensor &tensor, ElementType element, llvm::MutableArrayRef<uint8_t> out) {
  std::vector<float> values(tensor.type.numElements());
  TRY(tensor.readFloats(0, 1, values));
  storeAs(element, values, out.data());
  return llvm::Error::success();
}

llvm::Error packFloats(llvm::ArrayRef<const WeightTensor *> tensors, llvm::MutableArrayRef<uint8_t> out) {
  for (const WeightTensor *tensor : tensors) {
    TRY(packVector(*tensor, Scalar::F32, out));
    out = out.drop_front(tensor->type.numElements() * sizeof(float));
  }
  return llvm::Error::success();
}

/// Constant ops have no inputs, so an interpreter without weights or tokens can run them.
llvm::Error packConstant(const Op &op, llvm::MutableArrayRef<uint8_t> out) {
  Module module;
  Graph &graph = module.addGraph("constant");
  Op &copy = op.cloneInto(graph, [](Value &v) -> Value & { return v; });
  graph.addReturn(copy.result());
  RandomWeights none(0);
  KvState kv;
  Evaluator evaluator(graph, none, kv);
  EvalStep step;
  TRY(evaluator.run(step, {}));
  storeAs(Scalar::F32, evaluator[copy.result()].data, out.data());
  return llvm::Error::success();
}

llvm::Error packScaledAtoms(const WeightItem &item, llvm::ArrayRef<const WeightTensor *> tensors,
                            const TensorLookup &find, llvm::MutableArrayRef<uint8_t> out) {
  std::vector<float> scale;
  if (item.columnScale) {
    const WeightTensor *tensor = find(item.columnScale->name);
    if (!tensor)
      return llvm::createStringError("no tensor '" + item.columnScale->name + "'");
    scale.resize(tensor->type.numElements());
    TRY(tensor->readFloats(0, 1, scale));
  }
  return packAtoms(tensors, item.layout == WeightItem::Layout::SwigluAtoms, scale, out);
}

} // namespace

llvm::Expected<size_t> WeightTable::add(WeightItem::Layout layout, llvm::ArrayRef<const Value *> weights,
                                        const Value *columnScale) {
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i].layout == layout && items[i].columnScale == columnScale &&
        llvm::ArrayRef<const Value *>(items[i].weights) == weights)
      return i;
  if (layout == WeightItem::Layout::Linear || layout == WeightItem::Layout::Swiglu) {
    auto format = packedFormat(weights[0]->type.element, weights[0]->type.dim(1).number());
    if (!format)
      return llvm::createStringError(weights[0]->str() + ": " + llvm::toString(format.takeError()));
  }
  WeightItem item{layout, {weights.begin(), weights.end()}, columnScale};
  item.offset = end;
  item.size = sizeOf(layout, weights);
  end = llvm::alignTo(item.offset + item.size, itemAlignment);
  items.push_back(item);
  return items.size() - 1;
}

llvm::Error packWeight(const WeightItem &item, const TensorLookup &find, llvm::MutableArrayRef<uint8_t> out) {
  if (item.layout == WeightItem::Layout::Constant)
    return packConstant(*item.weights[0]->def(), out);
  llvm::SmallVector<const WeightTensor *, 2> tensors;
  for (const Value *w : item.weights) {
    tensors.push_back(find(w->name));
    if (!tensors.back())
      return llvm::createStringError("no tensor '" + w->name + "'");
  }
  switch (item.layout) {
  case WeightItem::Layout::Linear:
  case WeightItem::Layout::Swiglu:
    return packLinear(tensors, item.layout == WeightItem::Layout::Swiglu, out);
  case WeightItem::Layout::Vector:
    return packVector(*tensors[0], item.weights[0]->type.element, out);
  case WeightItem::Layout::Atoms:
  case WeightItem::Layout::SwigluAtoms:
    return packScaledAtoms(item, tensors, find, out);
  default:
    return packFloats(tensors, out);
  }
}

bool isNormWeight(const Value &weight) {
  auto holds = [](const OperandMember &member, const Use *use) {
    return llvm::any_of(member.uses(), [&](auto &slot) { return slot.get() == use; });
  };
  auto isNorm = [&](const Use *use) {
    return llvm::TypeSwitch<const Op *, bool>(use->owner)
        .Case<RmsNorm, HeadRmsNorm, AddRmsNorm>([&](auto *op) { return holds(op->weight, use); })
        .Case<Linear, SwigluLinear>([&](auto *op) { return holds(op->norm, use); })
        .Case<RopeAppend, RopeAttention>([&](auto *op) { return holds(op->qNorm, use) || holds(op->kNorm, use); })
        .Default(false);
  };
  return llvm::any_of(weight.uses(), isNorm);
}

} // namespace sinter
