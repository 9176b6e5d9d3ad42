// SPDX-License-Identifier: Apache-2.0
// The steps around the model in tokenizer.json: normalizer, pre-tokenizer, post-processor, decoder.
#pragma once
#include "compiler/import/JsonText.h"
#include "runtime/text/TokenizerData.h"

namespace sinter {

/// Reads the four members of `root` into `data`, and from them which model it is: ByteLevelBpe if the pre-tokenizer
/// ends in bytes, else CharacterBpe. A type that the runtime does not have is an error that names those it has.
llvm::Error readTokenizerPipeline(const SourceFile &file, const llvm::json::Object &root, rt::TokenizerData &data);

} // namespace sinter
