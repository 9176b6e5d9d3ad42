// SPDX-License-Identifier: Apache-2.0
// The tree that the compiler runs from: bin/sinter, lib/libsinter_runtime.a, share/sinter/{models,templates,runtime}.
// Found next to the running program, so that the tree works wherever it is moved.
#pragma once
#include "llvm/Support/Error.h"
#include <string>

namespace sinter {

struct Installation {
  std::string root;  ///< of the tree
  std::string lib;   ///< static libraries that executables link
  std::string share; ///< models/, and the include root of emitted files: templates/, runtime/abi/
};

/// An error names the folder that is missing.
llvm::Expected<Installation> findInstallation();

} // namespace sinter
