// SPDX-License-Identifier: Apache-2.0
// The part of the parser below ops: expressions, attribute values and types.
#pragma once
#include "ir/Parser.h"
#include "ir/TokenParser.h"

namespace sinter {

class ExpressionParser : public TokenParser {
protected:
  ExpressionParser(llvm::MemoryBufferRef text, const Holes &holes) : TokenParser(text), holes(holes) {}

  Expected<AttrValue> parseExpression() { return parseBinary(0); }
  Expected<int64_t> parseInteger(llvm::StringRef what);
  Expected<bool> parseCondition();
  /// An expression, a list, a dictionary or an element type.
  Expected<AttrValue> parseAttrValue();
  Expected<Type> parseType();
  /// A string with its escapes resolved and its {holes} filled.
  Expected<std::string> parseString(llvm::StringRef what);

  const Holes &holes;
  std::vector<std::pair<std::string, AttrValue>> variables; ///< innermost last

private:
  Expected<AttrValue> parseBinary(int precedence);
  Expected<AttrValue> parseUnary();
  Expected<AttrValue> parsePrimary();
  Expected<AttrValue> parseConfigKey();
  Expected<AttrValue> parseWord();
  Expected<ElementType> parseElement();
  Expected<std::string> fillHoles(llvm::StringRef text, const char *where);
  const AttrValue *findVariable(llvm::StringRef name) const;
};

} // namespace sinter
