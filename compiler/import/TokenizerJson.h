// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, the format of Hugging Face `tokenizers`.
#pragma once
#include "compiler/import/JsonText.h"
#include "runtime/text/TokenizerData.h"
#include "llvm/ADT/StringMap.h"

namespace sinter {

/// Reads `root`, the file's object, into `data`; `ids` are those of pieces and added tokens by their text in the file.
llvm::Error readTokenizerJson(const SourceFile &file, const llvm::json::Object &root, rt::TokenizerData &data,
                              llvm::StringMap<int32_t> &ids);

} // namespace sinter
