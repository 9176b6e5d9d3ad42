// SPDX-License-Identifier: Apache-2.0
// What holds for every module between passes, whatever the op.
#include "ir/Graph.h"
#include "ir/Try.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"

namespace sinter {

namespace {

llvm::Error inOp(const Op &op, const llvm::Twine &message) {
  return llvm::createStringError("graph @" + op.graph().name + ": " + str(op) + ": " + message);
}

llvm::Error verifyOp(const Op &op, llvm::DenseSet<const Value *> &defined, llvm::StringSet<> &names) {
  for (Use *use : op.operands())
    if (!use->get()->isWeight() && !defined.contains(use->get()))
      return inOp(op, use->get()->str() + " is used before it is defined");
  auto types = op.infer();
  if (!types)
    return inOp(op, llvm::toString(types.takeError()));
  if (types->size() != op.results().size())
    return inOp(op, "has " + llvm::Twine(op.results().size()) + " results, expected " + llvm::Twine(types->size()));
  for (auto [type, result] : llvm::zip_equal(*types, op.results())) {
    if (type != result->type)
      return inOp(op, result->str() + " is " + result->type.str() + ", expected " + type.str());
    if (result->name.empty() || !names.insert(result->name).second)
      return inOp(op, "the name of " + result->str() + " is empty or taken");
    defined.insert(result.get());
  }
  return llvm::Error::success();
}

llvm::Error verifyGraph(const Graph &graph) {
  llvm::DenseSet<const Value *> defined;
  llvm::StringSet<> names;
  for (auto &p : graph.params()) {
    defined.insert(p.get());
    names.insert(p->name);
  }
  for (auto &op : graph.ops())
    TRY(verifyOp(*op, defined, names));
  for (auto &r : graph.returns())
    if (!r->get()->isWeight() && !defined.contains(r->get()))
      return llvm::createStringError("graph @" + graph.name + " returns " + r->get()->str() +
                                     ", which it does not define");
  return llvm::Error::success();
}

} // namespace

llvm::Error verify(const Module &m) {
  for (auto &graph : m.graphs())
    TRY(verifyGraph(*graph));
  return llvm::Error::success();
}

} // namespace sinter
