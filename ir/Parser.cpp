// SPDX-License-Identifier: Apache-2.0
// Statements: weights, graphs, ops, and what model descriptions add (let, for, if, scope, weight(...)).
#include "ir/Parser.h"
#include "ir/Expressions.h"
#include "ir/Try.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

/// No model has as many layers: a config that says so is wrong.
constexpr uint64_t maxRounds = 100000;

class ModuleParser : ExpressionParser {
public:
  ModuleParser(llvm::MemoryBufferRef text, const Holes &holes)
      : ExpressionParser(text, holes), module(std::make_unique<Module>()) {
    fileName = module->intern(fileName);
  }

  Expected<std::unique_ptr<Module>> parse() {
    while (token.kind != Token::End)
      TRY(parseItem());
    if (holes.config && module->graphs().empty())
      return errorHere("no model '" + holes.architecture + "' in this description");
    return std::move(module);
  }

  Expected<std::vector<std::string>> models() {
    std::vector<std::string> all;
    while (token.kind != Token::End) {
      if (!consumeWordIf("model"))
        return errorHere("expected 'model'");
      TRY_ASSIGN(names, parseModelNames());
      llvm::append_range(all, names);
      TRY(skipBlock());
    }
    return all;
  }

private:
  // Items

  Error parseItem() {
    if (consumeWordIf("module"))
      return parseModuleHeader();
    if (consumeWordIf("weight"))
      return parseWeightDecl();
    if (consumeWordIf("graph"))
      return parseGraph();
    if (holes.config && consumeWordIf("model"))
      return parseModel();
    return errorHere(holes.config ? "expected 'model'" : "expected 'module', 'weight' or 'graph'");
  }

  Error parseModuleHeader() {
    TRY_ASSIGN(name, expectToken(Token::WeightName, "a module name such as @qwen3"));
    module->name = name.str();
    if (!consumeIf("{"))
      return Error::success();
    const char *start = token.start;
    TRY_ASSIGN(key, expectToken(Token::Word, "'max_seq_len'"));
    if (key != "max_seq_len")
      return errorAt(start, "a module has no attribute '" + key + "', only max_seq_len");
    TRY(expect("="));
    start = token.start;
    TRY_ASSIGN(value, parseInteger("a number of positions"));
    if (value <= 0)
      return errorAt(start, "expected a positive number of positions, found " + llvm::Twine(value));
    module->maxSeqLen = value;
    return expect("}");
  }

  Error parseWeightDecl() {
    const char *start = token.start;
    TRY_ASSIGN(name, expectToken(Token::WeightName, "a weight name such as @model.norm.weight"));
    TRY(expect(":"));
    const char *typeStart = token.start;
    TRY_ASSIGN(type, parseType());
    if (llvm::any_of(type.shape, [](Dim d) { return d.isSymbol(); }))
      return errorAt(typeStart, "a weight's dimensions are numbers");
    if (module->findWeight(name))
      return errorAt(start, "weight @" + name + " is declared twice");
    TRY_ASSIGN(weight, module->weight(name, type, here(start)));
    (void)weight;
    return Error::success();
  }

  Expected<std::vector<std::string>> parseModelNames() {
    std::vector<std::string> names;
    do {
      TRY_ASSIGN(name, parseString("the name of an architecture"));
      names.push_back(name);
    } while (consumeIf(","));
    return names;
  }

  Error parseModel() {
    TRY_ASSIGN(names, parseModelNames());
    if (!llvm::is_contained(names, holes.architecture))
      return skipBlock();
    TRY(expect("{"));
    while (!token.is("}")) {
      if (consumeWordIf("let"))
        TRY(parseLet());
      else if (consumeWordIf("graph"))
        TRY(parseGraph());
      else
        return errorHere("expected 'let' or 'graph'");
    }
    return expect("}");
  }

  Error parseGraph() {
    const char *start = token.start;
    TRY_ASSIGN(name, expectToken(Token::WeightName, "a graph name such as @step"));
    if (module->findGraph(name))
      return errorAt(start, "graph @" + name + " is defined twice");
    graph = &module->addGraph(name.str());
    values.clear();
    returned = false;
    TRY(expect("("));
    while (!token.is(")")) {
      const char *paramStart = token.start;
      TRY_ASSIGN(param, expectToken(Token::ValueName, "a parameter such as %tokens"));
      TRY(expect(":"));
      TRY_ASSIGN(type, parseType());
      if (!values.try_emplace(param, nullptr).second)
        return errorAt(paramStart, "parameter %" + param + " is named twice");
      values[param] = &graph->addParam(param, type);
      if (!consumeIf(","))
        break;
    }
    TRY(expect(")"));
    TRY(parseBlock());
    if (!returned)
      return errorAt(start, "graph @" + name + " returns nothing");
    return Error::success();
  }

  // Statements

  Error parseBlock() {
    TRY(expect("{"));
    size_t outer = variables.size();
    while (!token.is("}")) {
      if (token.kind == Token::End)
        return errorHere("expected '}'");
      if (returned)
        return errorHere("nothing follows a return");
      TRY(parseStatement());
    }
    variables.resize(outer);
    return expect("}");
  }

  Error parseStatement() {
    if (consumeWordIf("return"))
      return parseReturn();
    if (consumeWordIf("layer"))
      return parseLayer();
    if (holes.config) {
      if (consumeWordIf("let"))
        return parseLet();
      if (consumeWordIf("for"))
        return parseFor();
      if (consumeWordIf("if"))
        return parseIf();
      if (consumeWordIf("scope"))
        return parseScope();
    }
    return parseOp();
  }

  Error parseLet() {
    TRY_ASSIGN(name, expectToken(Token::Word, "a name"));
    TRY(expect("="));
    TRY_ASSIGN(value, parseAttrValue());
    variables.emplace_back(name.str(), value);
    return Error::success();
  }

  Error parseFor() {
    TRY_ASSIGN(name, expectToken(Token::Word, "a loop variable"));
    if (!consumeWordIf("in"))
      return errorHere("expected 'in'");
    TRY_ASSIGN(begin, parseInteger("the first number of a range"));
    TRY(expect(".."));
    const char *endStart = token.start;
    TRY_ASSIGN(end, parseInteger("the end of a range"));
    if (end < begin)
      return errorAt(endStart, llvm::formatv("the range {0}..{1} ends before it starts", begin, end));
    if (uint64_t(end) - uint64_t(begin) > maxRounds)
      return errorAt(endStart, llvm::formatv("the range {0}..{1} has more than {2} numbers", begin, end, maxRounds));
    Mark body = mark();
    bool outermost = layer < 0;
    auto leave = llvm::make_scope_exit([&] {
      if (outermost)
        layer = -1;
    });
    for (int64_t i = begin; i < end; ++i) {
      rewind(body);
      if (outermost)
        layer = int(i);
      variables.emplace_back(name.str(), i);
      TRY(parseBlock());
      variables.pop_back();
    }
    return begin == end ? skipBlock() : Error::success();
  }

  Error parseIf() {
    TRY_ASSIGN(condition, parseCondition());
    TRY(condition ? parseBlock() : skipBlock());
    if (!consumeWordIf("else"))
      return Error::success();
    if (token.isWord("if")) {
      if (condition)
        return skipElseChain();
      advance();
      return parseIf();
    }
    return condition ? skipBlock() : parseBlock();
  }

  /// Past `if C { } else if D { } ... else { }` without looking at the conditions.
  Error skipElseChain() {
    while (true) {
      while (!token.is("{")) {
        if (token.kind == Token::End)
          return errorHere("expected '{'");
        advance();
      }
      TRY(skipBlock());
      if (!consumeWordIf("else"))
        return Error::success();
    }
  }

  Error parseScope() {
    TRY_ASSIGN(name, parseString("the name of a scope"));
    size_t outer = prefix.size();
    prefix += name + ".";
    TRY(parseBlock());
    prefix.resize(outer);
    return Error::success();
  }

  Error parseLayer() {
    const char *start = token.start;
    TRY_ASSIGN(number, parseInteger("the number of a layer"));
    if (layer >= 0 || number < 0 || number > INT32_MAX)
      return errorAt(start, layer >= 0 ? "layers do not nest" : "expected a layer number from 0 up");
    layer = int(number);
    TRY(parseBlock());
    layer = -1;
    return Error::success();
  }

  Error parseReturn() {
    do {
      TRY_ASSIGN(value, parseOperand());
      graph->addReturn(*value);
    } while (consumeIf(","));
    returned = true;
    return Error::success();
  }

  // Ops

  Error parseOp() {
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

  static std::string suggestion(llvm::StringRef word) {
    const OpInfo *best = nullptr;
    unsigned distance = 3;
    for (const OpInfo &info : registeredOps())
      if (unsigned d = word.edit_distance(info.mnemonic, true, 3); d < distance)
        distance = d, best = &info;
    return best ? (", did you mean '" + best->mnemonic + "'?").str() : "";
  }

  Error parsePositional(Op &op, const Token &mnemonic) {
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

  Expected<Value *> parseOperand() {
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

  Expected<Value *> parseWeightHole(const char *start) {
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

  Error parseDictionary(Op &op) {
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

  Error parseEntry(Op &op, llvm::StringRef key, const char *keyStart) {
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

  static std::string knownKeys(Op &op) {
    std::string known;
    for (OpMember *m : op.members())
      if (m->kind == OpMember::Kind::Attr || m->kind == OpMember::Kind::NamedOperands)
        known += (known.empty() ? "; it has " : ", ") + m->name.str();
    return known;
  }

  Error parseNamedOperands(NamedOperands &m) {
    bool list = consumeIf("[");
    do {
      TRY_ASSIGN(value, parseOperand());
      m.push(*value);
    } while (list && consumeIf(","));
    return list ? expect("]") : Error::success();
  }

  Error checkComplete(Op &op, const Token &mnemonic) {
    for (OpMember *m : op.members())
      if (auto *attr = llvm::dyn_cast<AttrBase>(m); attr && attr->isRequired() && !attr->isSet())
        return errorAt(mnemonic.start, "'" + op.mnemonic() + "' lacks its attribute '" + attr->name + "'");
    return Error::success();
  }

  Error nameResults(Op &op, llvm::ArrayRef<Token> names, const Token &mnemonic) {
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

  Error checkWrittenTypes(Op &op) {
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

  Location here(const char *start) const { return {fileName, line(start)}; }

  std::unique_ptr<Module> module;
  Graph *graph = nullptr;
  llvm::StringMap<Value *> values; ///< what a name means here
  std::string prefix;              ///< of weights' names: the scopes, each with its dot
  int layer = -1;
  bool returned = false;
};

} // namespace

llvm::Expected<std::unique_ptr<Module>> parseModule(llvm::MemoryBufferRef text, const Holes &holes) {
  return ModuleParser(text, holes).parse();
}

llvm::Expected<std::vector<std::string>> describedModels(llvm::MemoryBufferRef text) {
  return ModuleParser(text, Holes()).models();
}

} // namespace sinter
