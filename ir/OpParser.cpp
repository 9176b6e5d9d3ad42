// SPDX-License-Identifier: Apache-2.0
// Ops as text, by the members that each registered.
#include "ir/OpParser.h"
#include "ir/Try.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

using llvm::Error;

namespace {

std::string suggestion(llvm::StringRef word) {
  const OpInfo *best = nullptr;
  unsigned distance = 3;
  for (const OpInfo &info : registeredOps())
    if (unsigned d = word.edit_distance(info.mnemonic, true, 3); d < distance)
      distance = d, best = &info;
  return best ? (", did you mean '" + best->mnemonic + "'?").str() : "";
}

std::string knownKeys(Op &op) {
  std::string known;
  for (OpMember *m : op.members())
    if (m->kind == OpMember::Kind::Attr || m->kind == OpMember::Kind::NamedOperands)
      known += (known.empty() ? "; it has " : ", ") + m->name.str();
  return known;
}

} // namespace

Error OpParser::parseOp() {
  llvm::SmallVector<Token, 2> resultNames;
  if (token.kind == Token::ValueName) {
    do {
      resultNames.push_back(token);
      TRY_ASSIGN(name, expectToken(Token::ValueName, "a result such as %x"));
      (void)name;
    } while (consumeIf(","));
    TRY(expect("="));
  }
  Token mnemonic = token;
  TRY_ASSIGN(word, expectToken(Token::Word, "an op"));
  std::unique_ptr<Op> op = createOp(word);
  if (!op)
    return errorAt(mnemonic.start, "unknown op '" + word + "'" + suggestion(word));
  op->loc = here(mnemonic.start);
  op->layer = layer;
  TRY(parsePositional(*op, mnemonic));
  TRY(parseDictionary(*op));
  TRY(checkComplete(*op, mnemonic));
  auto inserted = graph->tryInsert(std::move(op), nullptr, "");
  if (!inserted)
    return placed(mnemonic.start, inserted.takeError());
  TRY(nameResults(**inserted, resultNames, mnemonic));
  return checkWrittenTypes(**inserted);
}

Error OpParser::parsePositional(Op &op, const Token &mnemonic) {
  llvm::SmallVector<OperandMember *, 4> slots;
  for (OpMember *m : op.members())
    if (m->kind == OpMember::Kind::Operand || m->kind == OpMember::Kind::OperandList)
      slots.push_back(static_cast<OperandMember *>(m));
  size_t next = 0;
  while (token.kind == Token::ValueName || token.kind == Token::WeightName || token.isWord("weight")) {
    if (next == slots.size())
      return errorHere("'" + op.mnemonic() + "' takes " + llvm::Twine(slots.size()) + " operands");
    TRY_ASSIGN(value, parseOperand());
    slots[next]->push(*value);
    if (slots[next]->kind == OpMember::Kind::Operand)
      ++next;
    if (!consumeIf(","))
      break;
  }
  for (OperandMember *slot : slots)
    if (slot->empty())
      return errorAt(mnemonic.start, "'" + op.mnemonic() + "' lacks its operand '" + slot->name + "'");
  return Error::success();
}

llvm::Expected<Value *> OpParser::parseOperand() {
  const char *start = token.start;
  if (token.kind == Token::WeightName) {
    Value *weight = module->findWeight(token.text);
    if (!weight)
      return errorHere("no weight @" + token.text + " is declared");
    advance();
    return weight;
  }
  if (holes.config && consumeWordIf("weight"))
    return parseWeightHole(start);
  TRY_ASSIGN(name, expectToken(Token::ValueName, "an operand such as %x or @w"));
  auto found = values.find(name);
  if (found == values.end())
    return errorAt(start, "%" + name + " is not defined here");
  return found->second;
}

llvm::Expected<Value *> OpParser::parseWeightHole(const char *start) {
  TRY(expect("("));
  TRY_ASSIGN(name, parseString("the name of a weight"));
  TRY(expect(","));
  TRY(expect("["));
  llvm::SmallVector<int64_t, 2> shape;
  while (!token.is("]")) {
    const char *dimStart = token.start;
    TRY_ASSIGN(dim, parseInteger("a dimension"));
    if (dim <= 0)
      return errorAt(dimStart, "expected a positive dimension, found " + llvm::Twine(dim));
    shape.push_back(dim);
    if (!consumeIf(","))
      break;
  }
  TRY(expect("]"));
  TRY(expect(")"));
  if (!isName(prefix + name))
    return errorAt(start, "a weight's name has letters, digits, '_', '.' and '-', found '" + prefix + name + "'");
  auto type = holes.weightType(prefix + name, shape);
  if (!type)
    return placed(start, type.takeError());
  auto weight = module->weight(prefix + name, *type, here(start));
  if (!weight)
    return placed(start, weight.takeError());
  return *weight;
}

Error OpParser::parseDictionary(Op &op) {
  if (!consumeIf("{"))
    return Error::success();
  llvm::SmallVector<llvm::StringRef, 4> seen;
  while (!token.is("}")) {
    const char *start = token.start;
    Mark shorthand = mark();
    TRY_ASSIGN(key, expectToken(Token::Word, "an attribute"));
    if (llvm::is_contained(seen, key))
      return errorAt(start, "'" + key + "' is given twice");
    seen.push_back(key);
    if (!consumeIf("=")) // {eps}: the name in scope
      rewind(shorthand);
    TRY(parseEntry(op, key, start));
    if (!consumeIf(","))
      break;
  }
  return expect("}");
}

Error OpParser::parseEntry(Op &op, llvm::StringRef key, const char *keyStart) {
  const char *start = token.start;
  if (key == "kernel") {
    TRY_ASSIGN(kernel, parseString("the name of a kernel"));
    op.kernel = kernel;
    return Error::success();
  }
  auto member = llvm::find_if(op.members(), [&](OpMember *m) {
    return m->name == key && (m->kind == OpMember::Kind::Attr || m->kind == OpMember::Kind::NamedOperands);
  });
  if (member == op.members().end())
    return errorAt(keyStart, "'" + op.mnemonic() + "' has no attribute '" + key + "'" + knownKeys(op));
  if ((*member)->kind == OpMember::Kind::NamedOperands)
    return parseNamedOperands(*static_cast<NamedOperands *>(*member));
  TRY_ASSIGN(value, parseAttrValue());
  auto *attr = static_cast<AttrBase *>(*member);
  if (!attr->decode(value))
    return errorAt(start, "'" + key + "' of '" + op.mnemonic() + "' takes " + attr->expected() + ", found " +
                              value.kindName() + ": " + value.str());
  return Error::success();
}

Error OpParser::parseNamedOperands(NamedOperands &m) {
  bool list = consumeIf("[");
  do {
    TRY_ASSIGN(value, parseOperand());
    m.push(*value);
  } while (list && consumeIf(","));
  return list ? expect("]") : Error::success();
}

Error OpParser::checkComplete(Op &op, const Token &mnemonic) {
  for (OpMember *m : op.members())
    if (auto *attr = llvm::dyn_cast<AttrBase>(m); attr && attr->isRequired() && !attr->isSet())
      return errorAt(mnemonic.start, "'" + op.mnemonic() + "' lacks its attribute '" + attr->name + "'");
  return Error::success();
}

Error OpParser::nameResults(Op &op, llvm::ArrayRef<Token> names, const Token &mnemonic) {
  if (names.size() != op.results().size())
    return errorAt(mnemonic.start, "'" + op.mnemonic() + "' has " + llvm::Twine(op.results().size()) +
                                       " results, but " + llvm::Twine(names.size()) + " are named");
  for (auto [name, result] : llvm::zip_equal(names, op.results())) {
    if (!holes.config && values.contains(name.text))
      return errorAt(name.start, "%" + name.text + " is defined twice");
    // A description may give a name a new meaning; the graph then counts: %x, %x.1, %x.2.
    result->name = holes.config ? graph->uniqueName(name.text) : name.text.str();
    graph->takeName(result->name);
    values[name.text] = result.get();
  }
  return Error::success();
}

Error OpParser::checkWrittenTypes(Op &op) {
  if (!consumeIf(":"))
    return Error::success();
  for (auto &result : op.results()) {
    const char *start = token.start;
    TRY_ASSIGN(type, parseType());
    if (type != result->type)
      return errorAt(start, llvm::formatv("{0} is written as {1}, but '{2}' gives {3}", result->str(), type,
                                          op.mnemonic(), result->type));
    if (consumeWordIf("at")) {
      TRY_ASSIGN(offset, parseInteger("an arena offset"));
      result->offset = offset;
    }
    if (result != op.results().back())
      TRY(expect(","));
  }
  return Error::success();
}

} // namespace sinter
