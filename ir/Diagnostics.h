// SPDX-License-Identifier: Apache-2.0
// User errors that point into a text: "file:line:col: error: message", the line, a caret.
#pragma once
#include "llvm/Support/Error.h"
#include "llvm/Support/SourceMgr.h"

namespace sinter {

/// An error with a place in a text; log() prints it as compilers do.
class DiagnosticError : public llvm::ErrorInfo<DiagnosticError> {
public:
  static char ID;
  explicit DiagnosticError(llvm::SMDiagnostic diagnostic) : diagnostic(std::move(diagnostic)) {}
  void log(llvm::raw_ostream &os) const override { diagnostic.print(nullptr, os, /*ShowColors=*/false); }
  std::error_code convertToErrorCode() const override { return llvm::inconvertibleErrorCode(); }

private:
  llvm::SMDiagnostic diagnostic;
};

/// Prints a user error to stderr, with "error: " in front unless it already points into a text. For tools' main().
void reportError(llvm::Error error);

} // namespace sinter
