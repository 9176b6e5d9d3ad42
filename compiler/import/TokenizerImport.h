// SPDX-License-Identifier: Apache-2.0
// Tokenizers of checkpoints, brought into the runtime's form. What the runtime would do differently from the original
// is an error here, never a silent difference.
#pragma once
#include "runtime/text/TokenizerData.h"
#include "llvm/Support/Error.h"
#include <optional>

namespace sinter {

/// Reads tokenizer.json, tokenizer_config.json and chat_template.jinja of a Hugging Face directory. Nothing if there is
/// no tokenizer.json. Errors: "PATH: KEY: expected ..., found ...".
llvm::Expected<std::optional<rt::TokenizerData>> tokenizerFromHuggingFace(llvm::StringRef directory);

/// The metadata of a GGUF file that describes its tokenizer, as it stands there (tokenizer.ggml.*).
struct GgufTokenizerFields {
  std::string path;                ///< of the file, for messages
  std::string model;               ///< "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE)
  std::string pre;                 ///< how "gpt2" cuts text into words
  std::vector<std::string> tokens; ///< by id
  std::vector<float> scores;       ///< "llama": one for every token
  std::vector<int32_t> tokenTypes; ///< empty (all normal) or one for every token
  std::vector<std::string> merges; ///< "gpt2": "left right", by rank
  std::optional<int64_t> bosId, eosId, unknownId, padId;
  std::optional<bool> addBos, addEos, addSpacePrefix;
  std::string chatTemplate; ///< Jinja; empty: none
};

/// Errors: "PATH: tokenizer.ggml.KEY: expected ..., found ...".
llvm::Expected<rt::TokenizerData> tokenizerFromGguf(const GgufTokenizerFields &fields);

} // namespace sinter
