// SPDX-License-Identifier: Apache-2.0
// Statements: weights, graphs, and what model descriptions add (let, for, if, scope, weight(...)).
#include "ir/Parser.h"
#include "ir/OpParser.h"
#include "ir/Try.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

/// No model has as many layers: a config that says so is wrong.
constexpr uint64_t maxRounds = 100000;

class ModuleParser : OpParser {
public:
  ModuleParser(llvm::MemoryBufferRef text, const Holes &holes) : OpParser(text, holes) {}

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
