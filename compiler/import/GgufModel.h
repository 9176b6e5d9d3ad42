// SPDX-License-Identifier: Apache-2.0
// A GGUF file in Hugging Face's terms: its config, tensor names and row orders.
#pragma once
#include "compiler/import/Checkpoint.h"
#include "compiler/import/GgufFile.h"
#include "compiler/import/StoredTensor.h"

namespace sinter {

/// A family of models that GGUF's general.architecture names.
struct GgufFamily {
  llvm::StringLiteral name;         ///< "llama", also the prefix of its metadata keys
  llvm::StringLiteral architecture; ///< Hugging Face's class
  bool reordersRotary;              ///< the converter puts rotated pairs side by side in Q and K
};

/// The family of the file, or an error that lists those there are.
llvm::Expected<const GgufFamily *> findGgufFamily(const GgufMetadata &metadata, const SourceFile &file);

/// config.json as the metadata and the tensors state it, in normal form. Absent metadata makes absent keys.
llvm::Expected<llvm::json::Object> ggufConfig(const GgufFile &gguf, const GgufFamily &family, const SourceFile &file);

/// The `rope` object of that config (GgufRope.cpp).
llvm::Expected<llvm::json::Object> ggufRope(const GgufFile &gguf, const GgufFamily &family, const SourceFile &file,
                                            std::optional<int64_t> headDim);

/// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; names that we do not know stay as they are.
std::string huggingFaceName(llvm::StringRef ggufName);

/// The tensors, renamed and sorted, with the rows of Q and K in Hugging Face's order.
llvm::Expected<std::vector<std::unique_ptr<WeightTensor>>> ggufTensors(const GgufFile &gguf, const GgufFamily &family,
                                                                       const std::shared_ptr<const SourceFile> &file,
                                                                       const llvm::json::Object &config);

/// The divisors of the rotary frequencies that llama3 scaling is stored as. It is part of the config, not a weight.
inline constexpr llvm::StringLiteral ropeFactorsTensor = "rope_freqs.weight";

/// The serialized tokenizer of the metadata; empty when it describes none.
llvm::Expected<std::vector<uint8_t>> ggufTokenizer(const GgufMetadata &metadata, const SourceFile &file);

/// Opens a GGUF file as a checkpoint.
llvm::Expected<Checkpoint> openGguf(std::shared_ptr<const SourceFile> file);

} // namespace sinter
