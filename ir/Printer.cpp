// SPDX-License-Identifier: Apache-2.0
// Modules, graphs and ops as text, from the members that each op registered.
#include "ir/Graph.h"
#include "llvm/ADT/StringExtras.h"

namespace sinter {

namespace {

void printNamedOperands(const OperandMember &m, llvm::raw_ostream &os) {
  if (m.size() == 1) {
    os << m[0].str();
    return;
  }
  os << '[';
  llvm::interleaveComma(m.uses(), os, [&](auto &use) { os << use->get()->str(); });
  os << ']';
}

void printDictionary(const Op &op, llvm::raw_ostream &os) {
  const char *separator = " {";
  auto entry = [&](llvm::StringRef name) -> llvm::raw_ostream & {
    os << std::exchange(separator, ", ") << name << " = ";
    return os;
  };
  for (OpMember *m : op.members()) {
    if (m->kind == OpMember::Kind::NamedOperands && !static_cast<OperandMember *>(m)->empty())
      printNamedOperands(*static_cast<OperandMember *>(m), entry(m->name));
    else if (auto *attr = llvm::dyn_cast<AttrBase>(m); attr && attr->isSet() && !attr->isDefault())
      attr->encode().print(entry(m->name));
  }
  if (!op.kernel.empty())
    AttrValue(op.kernel).print(entry("kernel"));
  if (*separator == ',')
    os << '}';
}

bool wanted(const Op &op, const PrintOptions &options) {
  return !options.layers || (op.layer >= options.layers->first && op.layer <= options.layers->second);
}

} // namespace

void print(const Op &op, llvm::raw_ostream &os) {
  llvm::interleaveComma(op.results(), os, [&](auto &r) { os << r->str(); });
  if (!op.results().empty())
    os << " = ";
  os << op.mnemonic();
  const char *separator = " ";
  for (OpMember *m : op.members())
    if (m->kind == OpMember::Kind::Operand || m->kind == OpMember::Kind::OperandList)
      for (auto &use : static_cast<OperandMember *>(m)->uses())
        os << std::exchange(separator, ", ") << use->get()->str();
  printDictionary(op, os);
  if (!op.results().empty())
    os << " : ";
  llvm::interleaveComma(op.results(), os, [&](auto &r) {
    os << r->type;
    if (r->offset >= 0)
      os << " at " << r->offset;
  });
}

std::string str(const Op &op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  print(op, os);
  return text;
}

void print(const Graph &g, llvm::raw_ostream &os, const PrintOptions &options) {
  os << "graph @" << g.name << '(';
  llvm::interleaveComma(g.params(), os, [&](auto &p) { os << p->str() << ": " << p->type; });
  os << ") {\n";
  int layer = -1;
  for (auto &op : g.ops()) {
    if (!wanted(*op, options))
      continue;
    if (op->layer != layer) {
      if (layer >= 0)
        os << "  }\n";
      if (op->layer >= 0)
        os << "  layer " << op->layer << " {\n";
      layer = op->layer;
    }
    os.indent(layer >= 0 ? 4 : 2);
    print(*op, os);
    if (options.locations && op->loc.line)
      os << "  // " << op->loc.str();
    os << '\n';
  }
  if (layer >= 0)
    os << "  }\n";
  if (!options.layers) {
    os << "  return ";
    llvm::interleaveComma(g.returns(), os, [&](auto &r) { os << r->get()->str(); });
    os << '\n';
  }
  os << "}\n";
}

void print(const Module &m, llvm::raw_ostream &os, const PrintOptions &options) {
  if (!m.name.empty()) {
    os << "module @" << m.name;
    if (m.maxSeqLen != Module().maxSeqLen)
      os << " {max_seq_len = " << m.maxSeqLen << '}';
    os << "\n\n";
  }
  if (!options.layers) {
    for (auto &w : m.weights())
      os << "weight " << w->str() << " : " << w->type << '\n';
    if (!m.weights().empty())
      os << '\n';
  }
  llvm::interleave(m.graphs(), os, [&](auto &g) { print(*g, os, options); }, "\n");
}

} // namespace sinter
