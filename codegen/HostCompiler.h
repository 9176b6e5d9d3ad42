// SPDX-License-Identifier: Apache-2.0
// Runs the host's C++ compiler over emitted files, in parallel, through a content-addressed cache: an object's key is
// the digest of the compiler, its flags, the file and every header that files may include.
#pragma once
#include "codegen/EmittedFile.h"
#include "codegen/ObjectCache.h"
#include "codegen/Parallel.h"

namespace sinter {

struct HostCompilerOptions {
  std::string compiler = "c++"; ///< found on PATH
  std::vector<std::string> flags;
  std::string includeDir; ///< holds templates/ and runtime/abi/
  std::string cacheDir;   ///< created when missing
  unsigned jobs = 1;
  OnProgress onProgress;
};

struct CompiledObjects {
  std::vector<std::string> paths; ///< in the cache, one a file, in their order
  size_t fromCache = 0;
};

llvm::Expected<CompiledObjects> compileFiles(llvm::ArrayRef<EmittedFile> files, const HostCompilerOptions &options);

/// "g++ (Debian 12.2.0-14) 12.2.0": the first line of --version.
llvm::Expected<std::string> compilerVersion(llvm::StringRef compiler);

/// Runs a program to its end. An error holds what it printed.
llvm::Error runProgram(llvm::ArrayRef<std::string> arguments, llvm::StringRef what);

} // namespace sinter
