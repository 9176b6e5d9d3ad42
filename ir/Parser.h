// SPDX-License-Identifier: Apache-2.0
// Text to modules. The same parser reads plain IR and model descriptions, which are IR with holes:
//
//   let H = config.hidden_size                     numbers of config.json, with arithmetic
//   for i in 0..config.num_hidden_layers { ... }   the outermost loop's variable is the layer of its ops
//   if config.attention_bias { ... } else { ... }
//   scope "layers.{i}" { ... }                     a prefix of the names of weights within
//   weight("up_proj.weight", [F, H])               declares the weight, with the type the checkpoint has
//   %x = ...                                       may be given a new meaning; {eps} means {eps = eps}
//   result types may be left out
#pragma once
#include "ir/Graph.h"
#include "llvm/Support/MemoryBufferRef.h"
#include <functional>

namespace sinter {

/// What fills the holes of a description.
struct Holes {
  const AttrDict *config = nullptr; ///< config.json; null: plain IR, and holes are errors
  std::string configOrigin;         ///< "config.json", for messages
  /// The type of a weight the description asks for, shape given; or an error (no such tensor, another shape).
  std::function<llvm::Expected<Type>(llvm::StringRef name, llvm::ArrayRef<int64_t> shape)> weightType;
  std::string architecture; ///< which `model "..."` to read
};

/// Reads and verifies a module. Errors are DiagnosticErrors that point into the text.
llvm::Expected<std::unique_ptr<Module>> parseModule(llvm::MemoryBufferRef text, const Holes &holes = {});

/// The names of the models that a description describes, without reading their bodies.
llvm::Expected<std::vector<std::string>> describedModels(llvm::MemoryBufferRef text);

} // namespace sinter
