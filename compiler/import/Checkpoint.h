// SPDX-License-Identifier: Apache-2.0
// What the importers hand to the rest of the compiler, whatever the file format was: a config in Hugging Face's keys,
// named tensors in Hugging Face's names, orientation ([out, in]) and row order, a tokenizer, generation defaults.
#pragma once
#include "ir/WeightTensor.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sinter {

/// What `run` and `serve` start from unless a flag says otherwise (generation_config.json).
struct GenerationDefaults {
  std::vector<int32_t> eosTokenIds;
  std::optional<int32_t> bosTokenId, padTokenId;
  std::optional<double> temperature, topP;
  std::optional<int32_t> topK;
};

struct Checkpoint {
  std::string path; ///< as the user gave it
  std::string name; ///< "Qwen3-4B": the directory's or the file's stem
  /// config.json in normal form: `architectures`, `hidden_size`, ..., `head_dim` always present, `dtype` ("float32",
  /// "float16", "bfloat16"), `rope` = {rope_type, theta, ...} from either generation of keys.
  llvm::json::Object config;
  std::string configOrigin;                           ///< "config.json" or the GGUF's name, for messages
  std::vector<std::unique_ptr<WeightTensor>> tensors; ///< sorted by name
  std::optional<ElementType> weightType;              ///< of openConfig(): what every weight is stored as
  std::vector<uint8_t> tokenizer; ///< serialized runtime tokenizer (runtime/text/TokenizerData.h); empty: none
  GenerationDefaults generation;

  const WeightTensor *find(llvm::StringRef name) const;
};

/// Opens a Hugging Face directory or a GGUF file. Every problem is one error: "FILE: what was expected, what was
/// found".
llvm::Expected<Checkpoint> openCheckpoint(llvm::StringRef path);

/// Reads a config.json, or that of a directory, and nothing else: a checkpoint without tensors and without a tokenizer,
/// for random weights of the config's `dtype`, bfloat16 where it states none.
llvm::Expected<Checkpoint> openConfig(llvm::StringRef path);

} // namespace sinter
