// SPDX-License-Identifier: Apache-2.0
// Values, ops, graphs and modules: ownership, use lists, insertion and erasure.
#include "ir/Graph.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

void Use::set(Value *v) {
  if (value)
    llvm::erase(value->users, this);
  value = v;
  if (value)
    value->users.push_back(this);
}

void Value::replaceAllUsesWith(Value &other) {
  assert(&other != this && "a value cannot replace itself");
  while (!users.empty())
    users.back()->set(&other);
}

OpMember::OpMember(Op &op, Kind kind, llvm::StringLiteral name) : kind(kind), name(name) {
  op.memberList.push_back(this);
}

llvm::SmallVector<Use *, 4> Op::operands() const {
  llvm::SmallVector<Use *, 4> uses;
  for (OpMember *m : memberList)
    if (auto *operands = llvm::dyn_cast<OperandMember>(m))
      for (auto &use : operands->uses())
        uses.push_back(use.get());
  return uses;
}

void Op::setResultTypes(llvm::ArrayRef<Type> types) {
  while (resultList.size() < types.size())
    resultList.push_back(std::make_unique<Value>(Value::Kind::Result, Type(), "", this));
  assert(resultList.size() == types.size() && "an op's number of results does not change");
  for (auto [result, type] : llvm::zip_equal(resultList, types))
    result->type = type;
}

bool Op::hasNoUses() const {
  return llvm::all_of(resultList, [](auto &r) { return r->uses().empty(); });
}

void Op::setPositional(llvm::ArrayRef<Value *> values) {
  for (OpMember *m : memberList) {
    if (m->kind == OpMember::Kind::Operand) {
      assert(!values.empty() && "too few operands");
      static_cast<Operand *>(m)->set(*values.front());
      values = values.drop_front();
    } else if (m->kind == OpMember::Kind::OperandList) {
      for (Value *v : values)
        static_cast<OperandList *>(m)->push(*v);
      values = {};
    }
  }
  assert(values.empty() && "too many operands");
}

Op &Op::cloneInto(Graph &into, llvm::function_ref<Value &(Value &)> map) const {
  std::unique_ptr<Op> copy = createOp(mnemonic());
  for (auto [from, to] : llvm::zip_equal(members(), copy->members())) {
    if (auto *operands = llvm::dyn_cast<OperandMember>(from)) {
      for (auto &use : operands->uses())
        static_cast<OperandMember *>(to)->push(map(*use->get()));
    } else if (auto *attr = static_cast<AttrBase *>(from); attr->isSet() && !attr->isDefault()) {
      bool decoded = static_cast<AttrBase *>(to)->decode(attr->encode());
      assert(decoded && "an attribute reads what it writes");
      (void)decoded;
    }
  }
  copy->loc = {into.module().intern(loc.file), loc.line};
  copy->layer = layer;
  copy->kernel = kernel;
  Op &op = into.insert(std::move(copy), nullptr, "");
  for (auto [from, to] : llvm::zip_equal(results(), op.results())) {
    to->name = from->name;
    to->offset = from->offset;
    into.takeName(to->name);
  }
  return op;
}

Graph::~Graph() {
  returnList.clear();
  for (auto &op : opList) // whatever a broken pass left behind, nothing is used any more
    for (Use *use : op->operands())
      use->set(nullptr);
}

Value &Graph::addParam(llvm::StringRef name, Type type) {
  takeName(name);
  paramList.push_back(std::make_unique<Value>(Value::Kind::Param, std::move(type), name.str()));
  return *paramList.back();
}

llvm::Expected<Op *> Graph::tryInsert(std::unique_ptr<Op> op, Op *before, llvm::StringRef name) {
  auto types = op->infer();
  if (!types)
    return types.takeError();
  op->parent = this;
  op->setResultTypes(*types);
  if (!name.empty())
    for (auto &result : op->results())
      result->name = uniqueName(name);
  auto at = before ? before->self : opList.end();
  Op *raw = op.get();
  raw->self = opList.insert(at, std::move(op));
  return raw;
}

Op &Graph::insert(std::unique_ptr<Op> op, Op *before, llvm::StringRef name) {
  return *llvm::cantFail(tryInsert(std::move(op), before, name), "a pass built an op that does not verify");
}

void Graph::erase(Op &op) {
  assert(op.hasNoUses() && "an erased op is still used");
  opList.erase(op.self);
}

unsigned Graph::eraseDead() {
  unsigned erased = 0;
  for (auto it = opList.end(); it != opList.begin();) {
    auto op = std::prev(it);
    if ((*op)->hasNoUses() && !(*op)->hasSideEffects()) {
      it = opList.erase(op);
      ++erased;
    } else {
      it = op;
    }
  }
  return erased;
}

std::string Graph::uniqueName(llvm::StringRef base) {
  // "q.3" and "q" count on together, so that names stay short however often a pass rebuilds an op.
  auto [stem, number] = base.rsplit('.');
  unsigned ignored;
  if (!number.empty() && !number.getAsInteger(10, ignored))
    base = stem;
  if (names.try_emplace(base, 0).second)
    return base.str();
  std::string name;
  do
    name = llvm::formatv("{0}.{1}", base, ++names[base]).str();
  while (!names.try_emplace(name, 0).second);
  return name;
}

Module::~Module() { graphList.clear(); }

llvm::Expected<Value *> Module::weight(llvm::StringRef name, const Type &type, Location loc) {
  auto [it, isNew] = weightIndex.try_emplace(name, nullptr);
  if (isNew) {
    weightList.push_back(std::make_unique<Value>(Value::Kind::Weight, type, name.str()));
    it->second = weightList.back().get();
    it->second->loc = loc;
  } else if (it->second->type != type) {
    return llvm::createStringError(
        llvm::formatv("weight @{0} is {1} here and {2} elsewhere", name, type, it->second->type).str());
  }
  return it->second;
}

Value *Module::findWeight(llvm::StringRef name) const { return weightIndex.lookup(name); }

void Module::eraseUnusedWeights() {
  llvm::erase_if(weightList, [&](auto &w) {
    if (!w->uses().empty())
      return false;
    weightIndex.erase(w->name);
    return true;
  });
}

Graph &Module::addGraph(std::string name) {
  graphList.push_back(std::make_unique<Graph>(*this, std::move(name)));
  return *graphList.back();
}

Graph *Module::findGraph(llvm::StringRef name) const {
  auto it = llvm::find_if(graphList, [&](auto &g) { return g->name == name; });
  return it == graphList.end() ? nullptr : it->get();
}

std::unique_ptr<Module> Module::clone() const {
  auto copy = std::make_unique<Module>();
  copy->name = name;
  copy->maxSeqLen = maxSeqLen;
  llvm::DenseMap<const Value *, Value *> map;
  for (auto &w : weightList)
    map[w.get()] = llvm::cantFail(copy->weight(w->name, w->type, {copy->intern(w->loc.file), w->loc.line}));
  for (auto &graph : graphList) {
    Graph &g = copy->addGraph(graph->name);
    for (auto &p : graph->params())
      map[p.get()] = &g.addParam(p->name, p->type);
    for (auto &op : graph->ops()) {
      Op &c = op->cloneInto(g, [&](Value &v) -> Value & { return *map.at(&v); });
      for (auto [from, to] : llvm::zip_equal(op->results(), c.results()))
        map[from.get()] = to.get();
    }
    for (auto &r : graph->returns())
      g.addReturn(*map.at(r->get()));
  }
  return copy;
}

} // namespace sinter
