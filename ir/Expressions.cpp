// SPDX-License-Identifier: Apache-2.0
// Expressions over config.json and let-bound names, attribute values and types.
#include "ir/Expressions.h"
#include "ir/Try.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

namespace sinter {

using llvm::Error;

ExpressionParser::ExpressionParser(llvm::MemoryBufferRef text, const Holes &holes)
    : holes(holes), fileName(text.getBufferIdentifier()), lexer(text.getBuffer()) {
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(text, /*RequiresNullTerminator=*/false), {});
  advance();
}

Error ExpressionParser::errorAt(const char *where, const llvm::Twine &message) {
  return llvm::make_error<DiagnosticError>(
      sources.GetMessage(llvm::SMLoc::getFromPointer(where), llvm::SourceMgr::DK_Error, message));
}

Error ExpressionParser::placed(const char *where, Error e) {
  if (e.isA<DiagnosticError>())
    return e;
  return errorAt(where, llvm::toString(std::move(e)));
}

bool ExpressionParser::consumeIf(llvm::StringRef punct) {
  if (!token.is(punct))
    return false;
  advance();
  return true;
}

bool ExpressionParser::consumeWordIf(llvm::StringRef word) {
  if (!token.isWord(word))
    return false;
  advance();
  return true;
}

Error ExpressionParser::expect(llvm::StringRef punct) {
  if (token.kind == Token::Invalid)
    return errorHere(token.text);
  if (!consumeIf(punct))
    return errorHere("expected '" + punct + "'");
  return Error::success();
}

llvm::Expected<llvm::StringRef> ExpressionParser::expectToken(Token::Kind kind, llvm::StringRef what) {
  if (token.kind == Token::Invalid)
    return errorHere(token.text);
  if (token.kind != kind)
    return errorHere("expected " + what);
  llvm::StringRef text = token.text;
  advance();
  return text;
}

Error ExpressionParser::skipBlock() {
  const char *start = token.start;
  TRY(expect("{"));
  for (int depth = 1; depth > 0; advance()) {
    if (token.kind == Token::End)
      return errorAt(start, "this block is not closed");
    if (token.kind == Token::Invalid)
      return errorHere(token.text);
    depth += token.is("{") - token.is("}");
  }
  return Error::success();
}

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
    if (Error e = expect(")"))
      return e;
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

namespace {
int precedenceOf(const Token &t) {
  if (t.kind != Token::Punct)
    return 0;
  return llvm::StringSwitch<int>(t.text)
      .Case("||", 1)
      .Case("&&", 2)
      .Cases("==", "!=", "<", "<=", ">", ">=", 3)
      .Cases("+", "-", 4)
      .Cases("*", "/", 5)
      .Default(0);
}

template <typename T>
std::optional<AttrValue> compare(llvm::StringRef op, T a, T b) {
  if (op == "<")
    return AttrValue(a < b);
  if (op == "<=")
    return AttrValue(a <= b);
  if (op == ">")
    return AttrValue(a > b);
  if (op == ">=")
    return AttrValue(a >= b);
  return std::nullopt;
}

/// Wraps around instead of overflowing: a config may hold any number, and shapes are checked where they are used.
std::optional<AttrValue> integerOp(llvm::StringRef op, int64_t a, int64_t b) {
  auto wrapped = [](uint64_t v) { return AttrValue(int64_t(v)); };
  if (op == "+")
    return wrapped(uint64_t(a) + uint64_t(b));
  if (op == "-")
    return wrapped(uint64_t(a) - uint64_t(b));
  if (op == "*")
    return wrapped(uint64_t(a) * uint64_t(b));
  if (op == "/" && b > 0)
    return AttrValue(a / b);
  return compare(op, a, b);
}

std::optional<AttrValue> floatOp(llvm::StringRef op, double a, double b) {
  if (op == "+")
    return AttrValue(a + b);
  if (op == "-")
    return AttrValue(a - b);
  if (op == "*")
    return AttrValue(a * b);
  if (op == "/")
    return AttrValue(a / b);
  return compare(op, a, b);
}
} // namespace

llvm::Expected<AttrValue> ExpressionParser::applyBinary(const Token &op, const AttrValue &a, const AttrValue &b) {
  if (op.text == "==")
    return AttrValue(a == b);
  if (op.text == "!=")
    return AttrValue(!(a == b));
  std::optional<AttrValue> result;
  if (auto *x = a.as<bool>(), *y = b.as<bool>(); x && y) {
    if (op.text == "&&")
      result = AttrValue(*x && *y);
    else if (op.text == "||")
      result = AttrValue(*x || *y);
  } else if (a.as<int64_t>() && b.as<int64_t>()) {
    result = integerOp(op.text, *a.as<int64_t>(), *b.as<int64_t>());
  } else if (a.number() && b.number()) {
    result = floatOp(op.text, *a.number(), *b.number());
  }
  if (!result)
    return errorAt(op.start, llvm::formatv("'{0}' does not apply to {1} and {2} ({3} and {4})", op.text, a.kindName(),
                                           b.kindName(), a.str(), b.str()));
  return *result;
}

llvm::Expected<AttrValue> ExpressionParser::parseBinary(int precedence) {
  TRY_ASSIGN(left, parseUnary());
  while (precedenceOf(token) > precedence) {
    Token op = token;
    advance();
    TRY_ASSIGN(right, parseBinary(precedenceOf(op)));
    TRY_ASSIGN(value, applyBinary(op, left, right));
    left = value;
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
