// SPDX-License-Identifier: Apache-2.0
#include "codegen/cuda/CudaListBuilder.h"
#include "llvm/Support/MathExtras.h"

namespace sinter {

using llvm::Expected;
using rt::CudaArg;
using rt::CudaArgKind;

CudaListBuilder::CudaListBuilder(const Graph &graph, const CudaSelectOptions &options)
    : options(options), logits(logitsOf(graph)), native(options.arch->wgmma && !options.portable) {
  plan.vocabSize = columnsOf(logits);
  placeScratch(graph);
}

void CudaListBuilder::begin(CudaPart newPart, CudaKernelList &list) {
  part = newPart;
  rows = list.maxRows;
  launches = &list.launches;
}

void CudaListBuilder::placeScratch(const Graph &graph) {
  PassOptions sizes;
  sizes.maxStepTokens = options.maxStepTokens;
  sizes.maxStepLogits = options.maxStepLogits;
  uint64_t widest = 0;
  for (auto &op : graph.ops())
    for (auto &r : op->results())
      if (!op->isConstant() && r.get() != &logits)
        widest = std::max(widest, rowBytesOf(*r));
  scratchPlace = {CudaArgKind::Value, llvm::alignTo(arenaBytes(graph, sizes), 1024)};
  plan.arenaBytes = scratchPlace.offset + uint64_t(stepRows()) * widest;
}

Expected<CudaArg> CudaListBuilder::weight(WeightItem::Layout layout, llvm::ArrayRef<const Value *> values,
                                          double *bytes, const Value *columnScale) {
  TRY_ASSIGN(index, plan.weights.add(layout, values, columnScale));
  if (bytes)
    *bytes += double(plan.weights[index].size);
  return CudaArg{CudaArgKind::Weight, plan.weights[index].offset};
}

Expected<CudaArg> CudaListBuilder::vectors(llvm::ArrayRef<const Value *> values) {
  if (values.empty())
    return CudaArg{CudaArgKind::Null, 0};
  return weight(WeightItem::Layout::Floats, values);
}

Expected<CudaArg> CudaListBuilder::vectors(const NamedOperands &operands) {
  llvm::SmallVector<const Value *, 3> values;
  for (auto &use : operands.uses())
    values.push_back(use->get());
  return vectors(values);
}

CudaArg CudaListBuilder::value(const Value &v) const {
  if (&v == &logits)
    return {CudaArgKind::Logits, 0};
  auto *last = llvm::dyn_cast_or_null<LastTokens>(v.def());
  // plan-memory keeps what last_tokens takes alive for as long as what it gives
  const Value &held = part == CudaPart::DenseHead && last ? last->x.get() : v;
  assert(held.offset >= 0 && "plan-memory gave this value no place");
  return {CudaArgKind::Value, uint64_t(held.offset)};
}

int CudaListBuilder::smallRows() const { return rows <= 16 ? 16 : rows <= 256 ? 256 : stepRows(); }

} // namespace sinter
