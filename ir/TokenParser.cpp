// SPDX-License-Identifier: Apache-2.0
// One token of lookahead, and errors that point at one.
#include "ir/TokenParser.h"
#include "ir/Try.h"
#include "llvm/Support/MemoryBuffer.h"

namespace sinter {

using llvm::Error;

TokenParser::TokenParser(llvm::MemoryBufferRef text) : fileName(text.getBufferIdentifier()), lexer(text.getBuffer()) {
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(text, /*RequiresNullTerminator=*/false), {});
  advance();
}

Error TokenParser::errorAt(const char *where, const llvm::Twine &message) {
  return llvm::make_error<DiagnosticError>(
      sources.GetMessage(llvm::SMLoc::getFromPointer(where), llvm::SourceMgr::DK_Error, message));
}

Error TokenParser::placed(const char *where, Error e) {
  if (e.isA<DiagnosticError>())
    return e;
  return errorAt(where, llvm::toString(std::move(e)));
}

bool TokenParser::consumeIf(llvm::StringRef punct) {
  if (!token.is(punct))
    return false;
  advance();
  return true;
}

bool TokenParser::consumeWordIf(llvm::StringRef word) {
  if (!token.isWord(word))
    return false;
  advance();
  return true;
}

Error TokenParser::expect(llvm::StringRef punct) {
  if (token.kind == Token::Invalid)
    return errorHere(token.text);
  if (!consumeIf(punct))
    return errorHere("expected '" + punct + "'");
  return Error::success();
}

llvm::Expected<llvm::StringRef> TokenParser::expectToken(Token::Kind kind, llvm::StringRef what) {
  if (token.kind == Token::Invalid)
    return errorHere(token.text);
  if (token.kind != kind)
    return errorHere("expected " + what);
  llvm::StringRef text = token.text;
  advance();
  return text;
}

Error TokenParser::skipBlock() {
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

} // namespace sinter
