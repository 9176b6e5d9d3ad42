// SPDX-License-Identifier: Apache-2.0
// The part of the parser below statements: ops, their operands and dictionaries, and the names of values.
#pragma once
#include "ir/Expressions.h"
#include "ir/Graph.h"

namespace sinter {

class OpParser : public ExpressionParser {
protected:
  OpParser(llvm::MemoryBufferRef text, const Holes &holes)
      : ExpressionParser(text, holes), module(std::make_unique<Module>()) {
    fileName = module->intern(fileName);
  }

  Error parseOp();
  Expected<Value *> parseOperand();
  Location here(const char *start) const { return {fileName, line(start)}; }

  std::unique_ptr<Module> module;
  Graph *graph = nullptr;          ///< that ops go into
  llvm::StringMap<Value *> values; ///< what a name means here
  std::string prefix;              ///< of weights' names: the scopes, each with its dot
  int layer = -1;

private:
  Error parsePositional(Op &op, const Token &mnemonic);
  Expected<Value *> parseWeightHole(const char *start);
  Error parseDictionary(Op &op);
  Error parseEntry(Op &op, llvm::StringRef key, const char *keyStart);
  Error parseNamedOperands(NamedOperands &m);
  Error checkComplete(Op &op, const Token &mnemonic);
  Error nameResults(Op &op, llvm::ArrayRef<Token> names, const Token &mnemonic);
  Error checkWrittenTypes(Op &op);
};

} // namespace sinter
