// SPDX-License-Identifier: Apache-2.0
// Tokens of the IR's text. The lexer is a position in the text, so a parser may go back: loops of model descriptions
// are read once for every iteration.
#pragma once
#include "llvm/ADT/StringRef.h"

namespace sinter {

struct Token {
  enum Kind {
    End,
    Word,       ///< rms_norm, graph, config
    ValueName,  ///< %x, text without the %
    WeightName, ///< @model.norm.weight, text without the @
    Integer,
    Float,
    String, ///< text without the quotes, escapes and holes still in it
    Punct,  ///< one of ( ) { } [ ] , : = < > . + - * / ! or a pair: .. == != <= >= && ||
    Invalid,
  };
  Kind kind = End;
  llvm::StringRef text;
  const char *start = nullptr; ///< first character, for diagnostics

  bool is(llvm::StringRef punct) const { return kind == Punct && text == punct; }
  bool isWord(llvm::StringRef word) const { return kind == Word && text == word; }
};

/// Whether %name or @name reads back as one token: letters, digits, '_', '.' and '-'.
bool isName(llvm::StringRef text);

class Lexer {
public:
  explicit Lexer(llvm::StringRef text) : at(text.begin()), end(text.end()) {}
  Token next();

private:
  void skipSpace();
  Token number();
  Token string();
  Token name(Token::Kind kind);
  llvm::StringRef takeWhile(bool (*belongs)(char));

  const char *at, *end;
};

} // namespace sinter
