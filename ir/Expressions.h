// SPDX-License-Identifier: Apache-2.0
// The part of the parser below statements: tokens with one of lookahead, diagnostics, expressions and attribute values.
#pragma once
#include "ir/Diagnostics.h"
#include "ir/Lexer.h"
#include "ir/Parser.h"

namespace sinter {

class ExpressionParser {
protected:
  ExpressionParser(llvm::MemoryBufferRef text, const Holes &holes);

  using Error = llvm::Error;
  template <typename T>
  using Expected = llvm::Expected<T>;

  Error errorAt(const char *where, const llvm::Twine &message);
  Error errorHere(const llvm::Twine &message) { return errorAt(token.start, message); }
  /// An error that a callee worded without a place gets this one; one that has its place keeps it.
  Error placed(const char *where, Error e);

  void advance() { token = lexer.next(); }
  bool consumeIf(llvm::StringRef punct);
  bool consumeWordIf(llvm::StringRef word);
  Error expect(llvm::StringRef punct);
  Expected<llvm::StringRef> expectToken(Token::Kind kind, llvm::StringRef what);

  /// A place to return to: loops read their body again from here.
  struct Mark {
    Lexer lexer;
    Token token;
  };
  Mark mark() const { return {lexer, token}; }
  void rewind(const Mark &m) { lexer = m.lexer, token = m.token; }
  /// Past the block that starts here.
  Error skipBlock();

  Expected<AttrValue> parseExpression() { return parseBinary(0); }
  Expected<int64_t> parseInteger(llvm::StringRef what);
  Expected<bool> parseCondition();
  /// An expression, a list, a dictionary or an element type.
  Expected<AttrValue> parseAttrValue();
  Expected<Type> parseType();
  /// A string with its escapes resolved and its {holes} filled.
  Expected<std::string> parseString(llvm::StringRef what);

  unsigned line(const char *where) const { return sources.FindLineNumber(llvm::SMLoc::getFromPointer(where)); }

  const Holes &holes;
  llvm::StringRef fileName;
  Token token;
  std::vector<std::pair<std::string, AttrValue>> variables; ///< innermost last

private:
  Expected<AttrValue> parseBinary(int precedence);
  Expected<AttrValue> parseUnary();
  Expected<AttrValue> parsePrimary();
  Expected<AttrValue> parseConfigKey();
  Expected<AttrValue> parseWord();
  Expected<ElementType> parseElement();
  Expected<AttrValue> applyBinary(const Token &op, const AttrValue &a, const AttrValue &b);
  Expected<std::string> fillHoles(llvm::StringRef text, const char *where);
  const AttrValue *findVariable(llvm::StringRef name) const;

  llvm::SourceMgr sources;
  Lexer lexer;
};

} // namespace sinter
