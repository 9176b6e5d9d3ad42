// SPDX-License-Identifier: Apache-2.0
// How user errors reach the terminal.
#include "ir/Diagnostics.h"
#include "llvm/Support/WithColor.h"

namespace sinter {

char DiagnosticError::ID;

void reportError(llvm::Error error) {
  llvm::handleAllErrors(
      std::move(error), [](const DiagnosticError &e) { e.log(llvm::errs()); },
      [](const llvm::ErrorInfoBase &e) {
        llvm::WithColor::error(llvm::errs());
        e.log(llvm::errs());
        llvm::errs() << '\n';
      });
}

} // namespace sinter
