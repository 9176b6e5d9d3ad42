// SPDX-License-Identifier: Apache-2.0
// The runtime's errors as the compiler's: the driver writes payloads and runs steps with the runtime's own code.
#pragma once
#include "runtime/support/Error.h"
#include "llvm/Support/Error.h"

namespace sinter {

template <typename T>
llvm::Error toError(const rt::Result<T> &r) {
  return r ? llvm::Error::success() : llvm::Error(llvm::createStringError(r.error().message));
}

} // namespace sinter
