// SPDX-License-Identifier: Apache-2.0
// Expressions over config.json and let-bound names, attribute values and types.
#include "ir/Expressions.h"
#include "ir/AttrArithmetic.h"
#include "ir/Try.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

const AttrValue *ExpressionParser::findVariable(llvm::StringRef name) const {
  for (auto &[known, value] : llvm::reverse(variables))
    if (known == name)
      return &value;
  return nullptr;
}

llvm::Expected<AttrValue> ExpressionParser::parseConfigKey() {
  const char *start = token.start;
  advance();
  if (!holes.config)
    return errorAt(start, "'config' is known in model descriptions only");
  TRY(expect("."));
  const char *keyStart = token.start;
  TRY_ASSIGN(key, expectToken(Token::Word, "a key of the config"));
  for (auto &[name, value] : *holes.config)
    if (name == key)
      return value;
  return errorAt(keyStart, holes.configOrigin + " has no '" + key + "'");
}

llvm::Expected<AttrValue> ExpressionParser::parseWord() {
  if (token.isWord("config"))
    return parseConfigKey();
  if (consumeWordIf("true"))
    return AttrValue(true);
  if (consumeWordIf("false"))
    return AttrValue(false);
  if (const AttrValue *v = findVariable(token.text)) {
    advance();
    return *v;
  }
  TRY_ASSIGN(element, parseElement());
  return AttrValue(element);
}

llvm::Expected<ElementType> ExpressionParser::parseElement() {
  const char *start = token.start;
  std::string text = token.text.str();
  if (token.kind != Token::Word)
    return errorHere("expected an element type");
  advance();
  if (token.is("<")) // i4<g32, f16>: as written, up to the closing bracket
    for (bool open = true; open; advance()) {
      if (token.kind == Token::End || token.kind == Token::Invalid)
        return errorAt(start, "'<' is not closed");
      text += token.text.str() + (token.is(",") ? " " : "");
      open = !token.is(">");
    }
  auto element = parseElementType(text);
  if (element)
    return *element;
  if (llvm::StringRef(text).contains('<'))
    return errorAt(start, llvm::toString(element.takeError()));
  llvm::consumeError(element.takeError());
  return errorAt(start, "'" + text + "' is neither a name in scope nor an element type");
}

llvm::Expected<AttrValue> ExpressionParser::parsePrimary() {
  const char *start = token.start;
  switch (token.kind) {
  case Token::Integer: {
    int64_t v;
    if (token.text.getAsInteger(10, v))
      return errorHere("integer does not fit 64 bits");
    advance();
    return AttrValue(v);
  }
  case Token::Float: {
    double v;
    if (token.text.getAsDouble(v))
      return errorHere("malformed number");
    advance();
    return AttrValue(v);
  }
  case Token::String: {
    TRY_ASSIGN(text, parseString("a string"));
    return AttrValue(text);
  }
  case Token::Word:
    return parseWord();
  case Token::Invalid:
    return errorHere(token.text);
  default:
    break;
  }
  if (consumeIf("(")) {
    TRY_ASSIGN(inner, parseExpression());
    TRY(expect(")"));
    return inner;
  }
  return errorAt(start, "expected a value");
}

llvm::Expected<AttrValue> ExpressionParser::parseUnary() {
  const char *start = token.start;
  if (consumeIf("-")) {
    TRY_ASSIGN(v, parseUnary());
    if (auto *i = v.as<int64_t>())
      return AttrValue(-*i);
    if (auto d = v.number())
      return AttrValue(-*d);
    return errorAt(start, "expected a number after '-', found " + v.kindName());
  }
  if (consumeIf("!")) {
    TRY_ASSIGN(v, parseUnary());
    if (auto *b = v.as<bool>())
      return AttrValue(!*b);
    return errorAt(start, "expected a boolean after '!', found " + v.kindName());
  }
  return parsePrimary();
}

llvm::Expected<AttrValue> ExpressionParser::parseBinary(int precedence) {
  TRY_ASSIGN(left, parseUnary());
  while (token.kind == Token::Punct && precedenceOf(token.text) > precedence) {
    Token op = token;
    advance();
    TRY_ASSIGN(right, parseBinary(precedenceOf(op.text)));
    std::optional<AttrValue> value = applyBinary(op.text, left, right);
    if (!value)
      return errorAt(op.start, llvm::formatv("'{0}' does not apply to {1} and {2} ({3} and {4})", op.text,
                                             left.kindName(), right.kindName(), left.str(), right.str()));
    left = *value;
  }
  return left;
}

llvm::Expected<int64_t> ExpressionParser::parseInteger(llvm::StringRef what) {
  const char *start = token.start;
  TRY_ASSIGN(v, parseExpression());
  if (auto *i = v.as<int64_t>())
    return *i;
  return errorAt(start, "expected " + what + ", found " + v.kindName());
}

llvm::Expected<bool> ExpressionParser::parseCondition() {
  const char *start = token.start;
  TRY_ASSIGN(v, parseExpression());
  if (auto *b = v.as<bool>())
    return *b;
  return errorAt(start, "expected a condition, found " + v.kindName());
}

llvm::Expected<AttrValue> ExpressionParser::parseAttrValue() {
  if (consumeIf("[")) {
    AttrList list;
    while (!token.is("]")) {
      TRY_ASSIGN(v, parseAttrValue());
      list.push_back(v);
      if (!consumeIf(","))
        break;
    }
    TRY(expect("]"));
    return AttrValue(list);
  }
  if (consumeIf("{")) {
    AttrDict dict;
    while (!token.is("}")) {
      TRY_ASSIGN(key, expectToken(Token::Word, "a key"));
      TRY(expect("="));
      TRY_ASSIGN(v, parseAttrValue());
      dict.emplace_back(key.str(), v);
      if (!consumeIf(","))
        break;
    }
    TRY(expect("}"));
    return AttrValue(dict);
  }
  return parseExpression();
}

llvm::Expected<Type> ExpressionParser::parseType() {
  TRY_ASSIGN(element, parseElement());
  TRY(expect("["));
  Type type(element, {});
  while (!token.is("]")) {
    const char *start = token.start;
    if (consumeWordIf("T")) {
      type.shape.push_back(Dim::T);
    } else if (consumeWordIf("S")) {
      type.shape.push_back(Dim::S);
    } else {
      TRY_ASSIGN(n, parseInteger("a dimension"));
      if (n <= 0)
        return errorAt(start, "expected a positive dimension, found " + llvm::Twine(n));
      type.shape.push_back(n);
    }
    if (!consumeIf(","))
      break;
  }
  TRY(expect("]"));
  return type;
}

llvm::Expected<std::string> ExpressionParser::parseString(llvm::StringRef what) {
  const char *start = token.start;
  TRY_ASSIGN(text, expectToken(Token::String, what));
  return fillHoles(text, start);
}

llvm::Expected<std::string> ExpressionParser::fillHoles(llvm::StringRef text, const char *where) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte;
    if (text[i] == '\\' && i + 2 < text.size() && !text.substr(i + 1, 2).getAsInteger(16, byte)) {
      out += char(byte);
      i += 2;
    } else if (text[i] == '\\' && i + 1 < text.size()) {
      out += text[++i];
    } else if (text[i] == '{' && holes.config) {
      size_t close = text.find('}', i);
      if (close == llvm::StringRef::npos)
        return errorAt(where, "'{' is not closed in this string");
      llvm::StringRef name = text.slice(i + 1, close);
      const AttrValue *v = findVariable(name);
      if (!v)
        return errorAt(where, "no '" + name + "' in scope");
      out += v->str();
      i = close;
    } else {
      out += text[i];
    }
  }
  return out;
}

} // namespace sinter
