// SPDX-License-Identifier: Apache-2.0
// quantize-activations: the inputs of matmuls get the type that their weights multiply with.
//
//   %h = rms_norm %x, @w : f32[T, 64]                     %h = rms_norm %x, @w {to = i8<g16, f32>} : i8<g16, f32>[T,
//   64] %y = linear %h, @q : f32[T, 64]               =>      %y = linear %h, @q {to = f32} : f32[T, 64]
//
// Quantized weights take 8-bit codes with a scale every 32 columns, bf16 weights take bf16; products are then what the
// machine multiplies fastest. The op before the matmul writes its result in that type at once; where it cannot, or
// where somebody needs its floats too, a cast stands between them.
//
// The one pass that changes values on purpose: codes of 8 bits are off by up to 1/254 of their group's largest
// magnitude. Does nothing under options.quantizeActivations = false. Does not fire for f32 and f16 weights (exact on
// floats), for inputs whose columns do not fill groups of 32, or when a matmul stacks quantized and float weights.

#include "ir/Ops.h"
#include "passes/Pass.h"
#include "llvm/ADT/SmallVectorExtras.h"

namespace sinter {

namespace {

/// The type in which `x` should meet weights of these types; nothing: as it is.
std::optional<ElementType> inputElement(const Value &x, llvm::ArrayRef<Value *> weights) {
  auto all = [&](auto is) { return llvm::all_of(weights, [&](Value *w) { return is(w->type.element); }); };
  if (!x.type.element.isFloat())
    return std::nullopt;
  if (all([](ElementType e) { return e.isQuantized(); })) {
    if (x.type.dim(1).number() % quant::activationBlock)
      return std::nullopt;
    return ElementType(quant::activation);
  }
  if (x.type.element == ElementType(Scalar::F32) && all([](ElementType e) { return e == ElementType(Scalar::BF16); }))
    return ElementType(Scalar::BF16);
  return std::nullopt;
}

/// The cast of `x` that an earlier matmul got, or a new one before `op`.
Cast &castFor(Op &op, Value &x, ElementType to, llvm::ArrayRef<Cast *> earlier) {
  for (Cast *cast : earlier)
    if (&cast->x.get() == &x && *cast->to == to)
      return *cast;
  return op.insertBefore<Cast>(x.name, {&x}, [&](Cast &cast) { cast.to = to; });
}

template <typename MatmulT>
void castInput(MatmulT &op, llvm::ArrayRef<Value *> weights, std::vector<Cast *> &casts) {
  Value &x = op.x;
  auto element = inputElement(x, weights);
  if (!element)
    return;
  Cast &cast = castFor(op, x, *element, casts);
  if (!llvm::is_contained(casts, &cast))
    casts.push_back(&cast);
  op.to = op.result().type.element;
  op.x.set(cast.result());
}

/// Lets `producer`, whose result only `cast` reads, write what the cast gives.
template <typename OpT>
bool absorb(OpT &producer, Cast &cast) {
  producer.to = *cast.to;
  producer.setResultTypes(llvm::cantFail(producer.infer()));
  cast.result().replaceAllUsesWith(cast.x);
  cast.graph().erase(cast);
  return true;
}

template <typename... OpTs>
bool absorbIntoAnyOf(Value &x, Cast &cast) {
  return ((llvm::isa<OpTs>(x.def()) && absorb(*llvm::cast<OpTs>(x.def()), cast)) || ...);
}

void absorbIntoProducer(Cast &cast) {
  Value &x = cast.x;
  if (!x.def() || !x.hasOneUse())
    return;
  if (auto *norm = llvm::dyn_cast<AddRmsNorm>(x.def()); norm && &x != &norm->result(1))
    return; // the sum is the residual stream: it stays exact
  absorbIntoAnyOf<RmsNorm, AddRmsNorm, SiluMul, SwigluLinear, PagedAttention, LastTokens>(x, cast);
}

} // namespace

void quantizeActivations(Graph &graph, const PassOptions &options) {
  if (!options.quantizeActivations)
    return;
  std::vector<Cast *> casts;
  for (auto &op : graph.ops()) {
    if (auto *linear = llvm::dyn_cast<Linear>(op.get())) {
      auto weights = llvm::map_to_vector(linear->weights.uses(), [](auto &use) { return use->get(); });
      castInput(*linear, weights, casts);
    } else if (auto *swiglu = llvm::dyn_cast<SwigluLinear>(op.get())) {
      castInput(*swiglu, {&swiglu->gate.get(), &swiglu->up.get()}, casts);
    }
  }
  for (Cast *cast : casts)
    absorbIntoProducer(*cast);
}

} // namespace sinter
