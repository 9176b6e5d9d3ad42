// SPDX-License-Identifier: Apache-2.0
#include "codegen/WeightRegions.h"
#include "ir/Try.h"
#include "templates/cuda/layout.h"
#include "llvm/Support/MathExtras.h"

namespace sinter {

namespace {

constexpr uint64_t sectionAlignment = 64; ///< of a stored item in the payload's section

llvm::Expected<rt::WeightElement> elementOf(const Value &weight) {
  const ElementType &type = weight.type.element;
  if (!type.isQuantized())
    switch (type.scalar()) {
    case Scalar::F32:
      return rt::WeightElement::F32;
    case Scalar::F16:
      return rt::WeightElement::F16;
    case Scalar::BF16:
      return rt::WeightElement::BF16;
    default:
      break;
    }
  return llvm::createStringError("--weights random: expected f32, f16 or bf16, found " + weight.str() + " of type " +
                                 weight.type.str());
}

/// What a random item's columns must be a multiple of, so that no column of padding, which kernels may count on to be
/// zero, is filled.
int64_t unpaddedColumns(const WeightItem &item, rt::WeightElement element) {
  switch (item.layout) {
  case WeightItem::Layout::Atoms:
  case WeightItem::Layout::SwigluAtoms:
    return cuda::blockColumns;
  case WeightItem::Layout::Linear:
  case WeightItem::Layout::Swiglu:
    return element == rt::WeightElement::BF16 ? 2 : 1;
  default:
    return 1;
  }
}

llvm::Error setRandom(const WeightItem &item, rt::WeightRegion &region) {
  using Layout = WeightItem::Layout;
  const Value &weight = *item.weights[0];
  TRY_ASSIGN(element, elementOf(weight));
  bool atoms = item.layout == Layout::Atoms || item.layout == Layout::SwigluAtoms;
  region.element = item.layout == Layout::Floats ? rt::WeightElement::F32 : atoms ? rt::WeightElement::BF16 : element;
  region.fill = isNormWeight(weight) ? rt::WeightFill::Ones : rt::WeightFill::Uniform;
  int64_t columns = weight.type.dim(-1).number(), multiple = unpaddedColumns(item, region.element);
  if (columns % multiple)
    return llvm::createStringError("--weights random: " + weight.str() + ": expected columns in multiples of " +
                                   llvm::Twine(multiple) + ", found " + llvm::Twine(columns));
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::vector<rt::WeightRegion>> randomRegions(const WeightTable &weights) {
  std::vector<rt::WeightRegion> regions;
  uint64_t stored = 0;
  for (const WeightItem &item : weights.all()) {
    rt::WeightRegion region{item.offset, item.size, rt::WeightFill::Stored, rt::WeightElement::F32, 0};
    if (item.layout == WeightItem::Layout::Constant) {
      region.source = stored;
      stored = llvm::alignTo(stored + item.size, sectionAlignment);
    } else {
      TRY(setRandom(item, region));
    }
    regions.push_back(region);
  }
  return regions;
}

} // namespace sinter
