// SPDX-License-Identifier: Apache-2.0
// Flags that several commands have, and how values are read: in one place, where their range is known, because LLVM's
// parser would say only that they are invalid.
#pragma once
#include "compiler/driver/Compile.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

inline llvm::Error bad(const llvm::Twine &message) { return llvm::createStringError(message); }

using NumberFlag = llvm::cl::opt<std::string>;

/// Sets `value` where the flag is given.
template <typename T>
llvm::Error readNumber(const NumberFlag &flag, int64_t least, int64_t most, T &value) {
  if (flag.getNumOccurrences() == 0)
    return llvm::Error::success();
  int64_t number = 0;
  if (llvm::StringRef(flag).getAsInteger(10, number) || number < least || number > most)
    return bad(llvm::formatv("--{0} {1}: expected a number from {2} to {3}", flag.ArgStr, flag, least, most).str());
  value = number;
  return llvm::Error::success();
}

/// What is compiled, and for what. Defaults are those of CompileOptions, so that they are stated once.
class ModelFlags {
public:
  explicit ModelFlags(llvm::cl::SubCommand &command);
  llvm::Error read(CompileOptions &options) const;

private:
  llvm::Error readWeights(CompileOptions &options) const;
  CompileOptions defaults;
  llvm::cl::opt<std::string> target, kernels, kvDtype, activations, weights;
  NumberFlag maxSeqs, maxSeqLen, maxStepTokens;
};

} // namespace sinter
