// SPDX-License-Identifier: Apache-2.0
// What the importers hand to the rest of the compiler, whatever the file format was: a config in Hugging Face's keys,
// named tensors in Hugging Face's names, orientation ([out, in]) and row order, a tokenizer, generation defaults.
#pragma once
#include "ir/Type.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sinter {

/// Rows of a quantized tensor, unpacked from whatever blocks the file had, exactly: the neutral form that packers read.
/// One level: subScales/subMins are empty and superScales/superMins hold one value a group.
struct QuantRows {
  int64_t rows = 0, k = 0;
  std::vector<uint8_t> codes;       ///< [rows, k]; signed codes are stored offset by 2^(bits-1)
  std::vector<float> superScales;   ///< [rows, k / (super ? super : group)], exactly the file's float16
  std::vector<float> superMins;     ///< same, when hasMin: value = scale*code + min (K-quants' minimum is negated here)
  std::vector<int8_t> subScales;    ///< [rows, k / group] when two-level
  std::vector<int8_t> subMins;      ///< same, when two-level and hasMin
};

/// A tensor of the checkpoint: its type, and its rows on demand. Reading is cheap to repeat and safe from threads.
class CheckpointTensor {
public:
  virtual ~CheckpointTensor() = default;
  std::string name;   ///< "model.layers.0.mlp.up_proj.weight"
  std::string origin; ///< "model-00001-of-00002.safetensors", for messages
  Type type;          ///< shape as Hugging Face has it: [out, in] for a matmul

  /// Rows [begin, end) as float32, exact for every format. A rank-1 tensor is one row.
  virtual llvm::Error readFloats(int64_t begin, int64_t end, llvm::MutableArrayRef<float> out) const = 0;
  /// Rows [begin, end) in the neutral quantized form; only for quantized element types.
  virtual llvm::Error readQuant(int64_t begin, int64_t end, QuantRows &out) const = 0;
};

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
  std::string configOrigin; ///< "config.json" or the GGUF's name, for messages
  std::vector<std::unique_ptr<CheckpointTensor>> tensors; ///< sorted by name
  std::vector<uint8_t> tokenizer; ///< serialized runtime tokenizer (runtime/text/TokenizerData.h); empty: none
  GenerationDefaults generation;

  const CheckpointTensor *find(llvm::StringRef name) const;
};

/// Opens a Hugging Face directory or a GGUF file. Every problem is one error: "FILE: what was expected, what was found".
llvm::Expected<Checkpoint> openCheckpoint(llvm::StringRef path);

} // namespace sinter
