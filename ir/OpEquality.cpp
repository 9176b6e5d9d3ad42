// SPDX-License-Identifier: Apache-2.0
// Hashing and comparing ops member by member.
#include "ir/OpEquality.h"
#include "llvm/ADT/STLExtras.h"

namespace sinter {

namespace {

bool sameOperands(const OperandMember &a, const OperandMember &b) {
  return llvm::equal(a.uses(), b.uses(), [](auto &x, auto &y) { return x->get() == y->get(); });
}

/// An unset attribute has no value to encode.
std::optional<AttrValue> valueOf(const AttrBase &attr) {
  if (!attr.isSet() || attr.isDefault())
    return std::nullopt;
  return attr.encode();
}

bool sameMember(const OpMember *a, const OpMember *b) {
  if (auto *operands = llvm::dyn_cast<OperandMember>(a))
    return sameOperands(*operands, *llvm::cast<OperandMember>(b));
  return valueOf(*llvm::cast<AttrBase>(a)) == valueOf(*llvm::cast<AttrBase>(b));
}

} // namespace

llvm::hash_code hashOf(const Op &op) {
  llvm::hash_code hash = llvm::hash_value(op.mnemonic());
  for (const OpMember *m : op.members()) {
    if (auto *operands = llvm::dyn_cast<OperandMember>(m)) {
      for (auto &use : operands->uses())
        hash = llvm::hash_combine(hash, use->get());
      hash = llvm::hash_combine(hash, operands->size());
    } else if (auto value = valueOf(*llvm::cast<AttrBase>(m))) {
      hash = llvm::hash_combine(hash, value->str());
    }
  }
  return hash;
}

bool areEqual(const Op &a, const Op &b) {
  return a.mnemonic() == b.mnemonic() && llvm::all_of_zip(a.members(), b.members(), sameMember) &&
         llvm::equal(a.results(), b.results(), [](auto &x, auto &y) { return x->type == y->type; });
}

} // namespace sinter
