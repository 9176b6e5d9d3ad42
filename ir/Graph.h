// SPDX-License-Identifier: Apache-2.0
// A module: weights and graphs. A graph: parameters, ops in execution order, returned values.
#pragma once
#include "ir/Op.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/StringSaver.h"

namespace sinter {

class Graph {
public:
  Graph(Module &module, std::string name) : name(std::move(name)), parent(module) {}
  ~Graph();

  std::string name; ///< without @
  Module &module() const { return parent; }

  Value &addParam(llvm::StringRef name, Type type);
  llvm::ArrayRef<std::unique_ptr<Value>> params() const { return paramList; }

  /// The ops in execution order.
  const std::list<std::unique_ptr<Op>> &ops() const { return opList; }
  /// The ops of one kind, as they stand now: safe to rewrite while looping.
  template <typename OpT>
  auto opsOf() const {
    std::vector<std::reference_wrapper<OpT>> found;
    for (auto &op : opList)
      if (auto *o = llvm::dyn_cast<OpT>(op.get()))
        found.push_back(*o);
    return found;
  }
  /// Takes an op whose members are set and infers its result types; the results are named `name` (made unique), or not
  /// at all when it is empty. `before` null: at the end.
  llvm::Expected<Op *> tryInsert(std::unique_ptr<Op> op, Op *before, llvm::StringRef name);
  /// The same for passes, which build only what fits.
  Op &insert(std::unique_ptr<Op> op, Op *before, llvm::StringRef name);

  void addReturn(Value &v) { returnList.push_back(std::make_unique<Use>(nullptr, &v)); }
  llvm::ArrayRef<std::unique_ptr<Use>> returns() const { return returnList; }

  /// Erases ops without side effects whose results nobody uses, until there are none. Returns how many went.
  unsigned eraseDead();
  void erase(Op &op);
  /// `base`, or `base.1`, `base.2`, ... whatever is free here.
  std::string uniqueName(llvm::StringRef base);
  void takeName(llvm::StringRef name) { names.try_emplace(name, 0); }
  bool hasName(llvm::StringRef name) const { return names.contains(name); }

private:
  Module &parent;
  std::vector<std::unique_ptr<Value>> paramList;
  std::list<std::unique_ptr<Op>> opList;
  std::vector<std::unique_ptr<Use>> returnList;
  llvm::StringMap<unsigned> names;
};

class Module {
public:
  Module() = default;
  ~Module();

  std::string name;         ///< empty when the text has no `module`
  int64_t maxSeqLen = 2048; ///< positions a sequence may have: how long rope tables are

  /// The weight of that name, declared here if it is new. Its type must agree with an earlier declaration.
  llvm::Expected<Value *> weight(llvm::StringRef name, const Type &type, Location loc);
  Value *findWeight(llvm::StringRef name) const;
  llvm::ArrayRef<std::unique_ptr<Value>> weights() const { return weightList; }
  /// Forgets weights that no op uses.
  void eraseUnusedWeights();

  Graph &addGraph(std::string name);
  Graph *findGraph(llvm::StringRef name) const;
  llvm::ArrayRef<std::unique_ptr<Graph>> graphs() const { return graphList; }

  std::unique_ptr<Module> clone() const;
  /// Keeps a file name alive as long as the module.
  llvm::StringRef intern(llvm::StringRef s) { return saver.save(s); }

private:
  std::vector<std::unique_ptr<Value>> weightList;
  llvm::StringMap<Value *> weightIndex;
  std::vector<std::unique_ptr<Graph>> graphList;
  llvm::BumpPtrAllocator allocator;
  llvm::UniqueStringSaver saver{allocator};
};

struct PrintOptions {
  std::optional<std::pair<int, int>> layers; ///< print only layers [first, second]
  bool locations = false;                    ///< end each op with where it was written
};
void print(const Module &m, llvm::raw_ostream &os, const PrintOptions &options = {});
void print(const Graph &g, llvm::raw_ostream &os, const PrintOptions &options = {});
/// One line, without indentation: "%2 = rms_norm %0, @w {eps = 1e-05} : f32[T, 576]".
void print(const Op &op, llvm::raw_ostream &os);
std::string str(const Op &op);

/// Every op's written types agree with what it infers, operands are defined before their use, names are unique.
llvm::Error verify(const Module &m);

template <typename OpT>
OpT &Op::insertBefore(llvm::StringRef name, llvm::ArrayRef<Value *> operands, llvm::function_ref<void(OpT &)> setup) {
  auto op = std::make_unique<OpT>();
  op->setPositional(operands);
  if (setup)
    setup(*op);
  Op &base = *op; // attention's own members include a 'layer'
  base.loc = loc;
  base.layer = layer;
  return llvm::cast<OpT>(graph().insert(std::move(op), this, name));
}

template <typename OpT>
OpT &Op::replaceWith(llvm::ArrayRef<Value *> operands, llvm::function_ref<void(OpT &)> setup) {
  OpT &op = insertBefore<OpT>("", operands, setup);
  for (auto [mine, its] : llvm::zip_equal(results(), op.results())) {
    its->name = std::exchange(mine->name, "");
    mine->replaceAllUsesWith(*its);
  }
  return op;
}

} // namespace sinter
