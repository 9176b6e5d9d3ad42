// SPDX-License-Identifier: Apache-2.0
#include "codegen/cpu/CpuConfigText.h"
#include "codegen/ConfigText.h"
#include "llvm/ADT/Twine.h"

namespace sinter {

static llvm::StringRef nameOf(cpu::Element element) {
  switch (element) {
  case cpu::Element::F32:
    return "Element::F32";
  case cpu::Element::F16:
    return "Element::F16";
  case cpu::Element::BF16:
    return "Element::BF16";
  case cpu::Element::Q8:
    return "Element::Q8";
  }
  llvm_unreachable("an element without a name");
}

static std::string braced(const ConfigText &fields) { return ("{" + fields.str() + "}").str(); }

cpu::Element elementOf(const ElementType &type) {
  if (type.isQuantized())
    return cpu::Element::Q8;
  switch (type.scalar()) {
  case Scalar::F16:
    return cpu::Element::F16;
  case Scalar::BF16:
    return cpu::Element::BF16;
  default:
    return cpu::Element::F32;
  }
}

llvm::StringRef elementName(const ElementType &type) { return nameOf(elementOf(type)); }

std::string configText(const cpu::KvConfig &kv) {
  ConfigText fields;
  fields.field("kvHeads", int64_t(kv.kvHeads)).field("headDim", int64_t(kv.headDim));
  fields.field("blockTokens", int64_t(kv.blockTokens)).code("type", nameOf(kv.type));
  return braced(fields);
}

std::string configText(const cpu::WeightFormat &format) {
  ConfigText fields;
  if (!format.quantized())
    return braced(fields.code("element", nameOf(format.element)));
  fields.field("bits", int64_t(format.bits)).field("isSigned", format.isSigned).field("hasMin", format.hasMin);
  fields.field("subBits", int64_t(format.subBits)).field("group", int64_t(format.group));
  fields.field("super", int64_t(format.super));
  return braced(fields);
}

} // namespace sinter
