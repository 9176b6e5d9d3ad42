// SPDX-License-Identifier: Apache-2.0
// Characters to tokens.
#include "ir/Lexer.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace sinter {

namespace {
bool isWordChar(char c) { return llvm::isAlnum(c) || c == '_'; }
bool isNameChar(char c) { return isWordChar(c) || c == '.' || c == '-'; }
} // namespace

bool isName(llvm::StringRef text) { return !text.empty() && llvm::all_of(text, isNameChar); }

void Lexer::skipSpace() {
  while (at != end) {
    if (llvm::isSpace(*at))
      ++at;
    else if (*at == '/' && at + 1 != end && at[1] == '/')
      while (at != end && *at != '\n')
        ++at;
    else
      return;
  }
}

llvm::StringRef Lexer::takeWhile(bool (*belongs)(char)) {
  const char *start = at;
  while (at != end && belongs(*at))
    ++at;
  return {start, size_t(at - start)};
}

Token Lexer::number() {
  const char *start = at;
  bool isFloat = false;
  takeWhile(llvm::isDigit);
  if (at + 1 < end && *at == '.' && at[1] != '.') { // "0..4" is a range
    isFloat = true;
    ++at;
    takeWhile(llvm::isDigit);
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    isFloat = true;
    ++at;
    if (at != end && (*at == '+' || *at == '-'))
      ++at;
    takeWhile(llvm::isDigit);
  }
  return {isFloat ? Token::Float : Token::Integer, {start, size_t(at - start)}, start};
}

Token Lexer::string() {
  const char *start = at++;
  while (at != end && *at != '"' && *at != '\n')
    at += *at == '\\' && at + 1 != end ? 2 : 1;
  if (at >= end || *at != '"') {
    at = std::min(at, end);
    return {Token::Invalid, "unterminated string", start};
  }
  return {Token::String, {start + 1, size_t(at++ - start - 1)}, start};
}

Token Lexer::name(Token::Kind kind) {
  const char *start = at++;
  llvm::StringRef text = takeWhile(isNameChar);
  if (text.empty())
    return {Token::Invalid, kind == Token::ValueName ? "expected a name after '%'" : "expected a name after '@'",
            start};
  return {kind, text, start};
}

Token Lexer::next() {
  skipSpace();
  if (at == end)
    return {Token::End, "", at};
  const char *start = at;
  if (llvm::isDigit(*at))
    return number();
  if (*at == '"')
    return string();
  if (*at == '%')
    return name(Token::ValueName);
  if (*at == '@')
    return name(Token::WeightName);
  if (isWordChar(*at)) {
    llvm::StringRef text = takeWhile(isWordChar);
    return {Token::Word, text, start};
  }
  for (llvm::StringRef pair : {"..", "==", "!=", "<=", ">=", "&&", "||"})
    if (llvm::StringRef(at, end - at).starts_with(pair)) {
      at += 2;
      return {Token::Punct, pair, start};
    }
  if (llvm::StringRef("(){}[],:=<>.+-*/!").contains(*at))
    return {Token::Punct, {at++, 1}, start};
  ++at;
  return {Token::Invalid, "unexpected character", start};
}

} // namespace sinter
