// SPDX-License-Identifier: Apache-2.0
// Reading a step of tokenizer.json by its type, and steps within steps.
#pragma once
#include "compiler/import/ConfigReader.h"
#include "runtime/text/TokenizerData.h"

namespace sinter {

/// A step's JSON object, and where it stands: "pre_tokenizer.pretokenizers[1].".
struct TokenizerStep {
  const SourceFile &file;
  const llvm::json::Object &object;
  std::string prefix;

  ConfigReader reader() const { return {file, object, prefix}; }
};

/// The value of "type" and the function that reads such a step. A stage's table of them is what its errors list.
struct StepKind {
  llvm::StringLiteral type;
  llvm::Error (*read)(const TokenizerStep &, rt::TokenizerData &);
};

llvm::Error readStep(const TokenizerStep &step, llvm::ArrayRef<StepKind> kinds, rt::TokenizerData &data);

/// Every member of the array `key`, in order.
llvm::Error readSteps(const TokenizerStep &step, llvm::StringRef key, llvm::ArrayRef<StepKind> kinds,
                      rt::TokenizerData &data);

/// A pattern is {"String": "..."} or {"Regex": "..."}.
struct StepPattern {
  std::string text;
  bool isRegex;
};
llvm::Expected<StepPattern> readPattern(const TokenizerStep &step);

/// What stands after the model in tokenizer.json: post-processors and decoders.
llvm::ArrayRef<StepKind> postProcessorKinds();
llvm::ArrayRef<StepKind> decoderKinds(rt::TokenizerModel model);

} // namespace sinter
