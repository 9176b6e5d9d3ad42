// SPDX-License-Identifier: Apache-2.0
// plan-memory: every value gets its place in one arena, and places are used again when their value is dead.
//
//   %a = rms_norm %x, @w : f32[T, 64]                   %a = rms_norm %x, @w : f32[T, 64] at 0
//   %b = linear %a, @u : f32[T, 64]              =>     %b = linear %a, @u : f32[T, 64] at 131072
//   %c = linear %b, @d : f32[T, 64]                     %c = linear %b, @d : f32[T, 64] at 0
//
// A value lives from the op that computes it to the last one that reads it, both included: kernels do not work in
// place. Sizes are those of the largest step. Greedy by size: the largest values are placed first, each into the
// smallest gap that fits between those that live at the same time (Pisarchyk and Lee 2020). Constants and what the
// graph returns get no place: the former are shipped like weights, the latter have a buffer of their own.

#include "passes/PlanMemory.h"
#include "ir/Ops.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

namespace sinter {

namespace {

/// A value to be placed, with the first and last op of its life.
struct Lifetime {
  Value *value;
  uint64_t bytes;
  unsigned first, last;

  bool meets(const Lifetime &other) const { return first <= other.last && other.first <= last; }
  uint64_t begin() const { return uint64_t(value->offset); }
  uint64_t end() const { return begin() + bytes; }
};

bool needsPlace(const Value &v) {
  return !v.def()->isConstant() && llvm::all_of(v.uses(), [](Use *use) { return use->owner; });
}

/// What a use of `v` keeps alive besides: on CUDA a step that wants the logits of all its rows does not copy them, and
/// reads what last_tokens would have taken where it is.
Value &readInPlace(Value &v, const PassOptions &options) {
  auto *last = llvm::dyn_cast_or_null<LastTokens>(v.def());
  return last && options.isCuda() ? last->x.get() : v;
}

/// In the order of definition.
std::vector<Lifetime> lifetimesOf(const Graph &graph, const PassOptions &options) {
  std::vector<Lifetime> all;
  llvm::DenseMap<const Value *, size_t> indexOf;
  for (auto [i, op] : llvm::enumerate(graph.ops())) {
    for (Use *use : op->operands())
      for (Value *v : {use->get(), &readInPlace(*use->get(), options)})
        if (auto found = indexOf.find(v); found != indexOf.end())
          all[found->second].last = unsigned(i);
    for (auto &r : op->results())
      if (needsPlace(*r)) {
        indexOf[r.get()] = all.size();
        all.push_back({r.get(), valueBytes(r->type, options), unsigned(i), unsigned(i)});
      }
  }
  return all;
}

/// The start of the smallest gap of at least `bytes` between the neighbours, which are sorted by place.
uint64_t bestGap(llvm::ArrayRef<const Lifetime *> neighbours, uint64_t bytes) {
  uint64_t end = 0, best = UINT64_MAX, place = 0;
  for (const Lifetime *n : neighbours) {
    if (n->begin() >= end + bytes && n->begin() - end < best) {
      best = n->begin() - end;
      place = end;
    }
    end = std::max(end, n->end());
  }
  return best == UINT64_MAX ? end : place;
}

void place(Lifetime &value, llvm::ArrayRef<Lifetime *> placed) {
  llvm::SmallVector<const Lifetime *> neighbours;
  for (const Lifetime *other : placed)
    if (other->meets(value))
      neighbours.push_back(other);
  llvm::stable_sort(neighbours, [](auto *a, auto *b) { return a->begin() < b->begin(); });
  value.value->offset = int64_t(bestGap(neighbours, value.bytes));
}

llvm::Error checkPlace(const Lifetime &l) {
  if (l.value->offset >= 0 && l.begin() % arenaAlignment == 0)
    return llvm::Error::success();
  return llvm::createStringError(
      llvm::formatv("{0} lies at {1}, expected a multiple of {2}", l.value->str(), l.value->offset, arenaAlignment)
          .str());
}

} // namespace

uint64_t rowBytes(ElementType element, int64_t columns) {
  auto n = uint64_t(columns);
  if (!element.isQuantized())
    return n * scalarSize(element.scalar());
  assert(element == ElementType(quant::activation) && "only activations are stored quantized in the arena");
  // Codes in whole cache lines, then for every block of 32: two scales, their scaled sum, two sums.
  return llvm::alignTo(llvm::alignTo(n, arenaAlignment) + n / quant::activationBlock * 5 * 4, arenaAlignment);
}

uint64_t valueBytes(const Type &type, const PassOptions &options) {
  uint64_t rows = 1;
  for (Dim d : llvm::ArrayRef(type.shape).drop_back())
    rows *= uint64_t(d.resolve(options.maxStepTokens, options.maxStepLogits));
  int64_t columns = type.dim(-1).resolve(options.maxStepTokens, options.maxStepLogits);
  return llvm::alignTo(rows * rowBytes(type.element, columns), arenaAlignment);
}

uint64_t arenaBytes(const Graph &graph, const PassOptions &options) {
  uint64_t end = 0;
  for (auto &op : graph.ops())
    for (auto &r : op->results())
      if (r->offset >= 0)
        end = std::max(end, uint64_t(r->offset) + valueBytes(r->type, options));
  return end;
}

llvm::Error checkMemoryPlan(const Graph &graph, const PassOptions &options) {
  std::vector<Lifetime> all = lifetimesOf(graph, options);
  for (const Lifetime &a : all) {
    if (llvm::Error e = checkPlace(a))
      return e;
    for (const Lifetime &b : all)
      if (&a != &b && a.meets(b) && a.begin() < b.end() && b.begin() < a.end())
        return llvm::createStringError(a.value->str() + " and " + b.value->str() + " overlap");
  }
  return llvm::Error::success();
}

void planMemory(Graph &graph, const PassOptions &options) {
  for (auto &op : graph.ops())
    for (auto &r : op->results())
      r->offset = -1;
  std::vector<Lifetime> all = lifetimesOf(graph, options);
  llvm::SmallVector<Lifetime *> bySize(llvm::make_pointer_range(all));
  llvm::stable_sort(bySize, [](auto *a, auto *b) { return a->bytes > b->bytes; });
  for (size_t i = 0; i < bySize.size(); ++i)
    place(*bySize[i], llvm::ArrayRef(bySize).take_front(i));
}

} // namespace sinter
