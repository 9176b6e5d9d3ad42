// SPDX-License-Identifier: Apache-2.0
// Early return of llvm::Error and llvm::Expected. Included by .cpp files only.
#pragma once
#include "llvm/Support/Error.h"

/// Returns the error of EXPR, if there is one.
#define TRY(EXPR)                                                                                                      \
  do {                                                                                                                 \
    if (llvm::Error tryError = (EXPR))                                                                                 \
      return tryError;                                                                                                 \
  } while (false)

/// Defines VAR as the value of EXPR, or returns its error.
#define TRY_ASSIGN(VAR, EXPR)                                                                                          \
  auto VAR##OrError = (EXPR);                                                                                          \
  if (!VAR##OrError)                                                                                                   \
    return VAR##OrError.takeError();                                                                                   \
  auto VAR = std::move(*VAR##OrError)
