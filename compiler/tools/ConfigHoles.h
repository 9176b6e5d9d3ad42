// SPDX-License-Identifier: Apache-2.0
// What fills the holes of a model description for sinter-opt: a config without a checkpoint.
#pragma once
#include "ir/Parser.h"

namespace sinter {

class ConfigHoles {
public:
  /// Reads a config with the keys that descriptions use, among them "dtype", the element type of its weights.
  /// `matrixType`, unless it is empty, is that of weights of rank 2.
  llvm::Error read(llvm::StringRef path, llvm::StringRef architecture, llvm::StringRef matrixType);
  /// Valid as long as this object; without read(): for plain IR.
  const Holes &holes() const { return filled; }

private:
  AttrDict config;
  Holes filled;
};

} // namespace sinter
