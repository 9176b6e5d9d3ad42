// SPDX-License-Identifier: Apache-2.0
// The part of the parser below expressions: tokens with one of lookahead, places, diagnostics.
#pragma once
#include "ir/Diagnostics.h"
#include "ir/Lexer.h"
#include "llvm/Support/MemoryBufferRef.h"

namespace sinter {

class TokenParser {
protected:
  explicit TokenParser(llvm::MemoryBufferRef text);

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

  unsigned line(const char *where) const { return sources.FindLineNumber(llvm::SMLoc::getFromPointer(where)); }

  llvm::StringRef fileName;
  Token token;

private:
  llvm::SourceMgr sources;
  Lexer lexer;
};

} // namespace sinter
