// SPDX-License-Identifier: Apache-2.0
// A small Qwen3 as the CUDA pipeline leaves it.
#pragma once
#include "ir/JsonAttr.h"
#include "ir/Ops.h"
#include "ir/Parser.h"
#include "passes/Pass.h"
#include "llvm/Support/MemoryBuffer.h"

namespace sinter {

inline constexpr llvm::StringLiteral qwen3Config =
    R"({"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 512, "rms_norm_eps": 1e-06,
    "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": true, "dtype": "bfloat16",
    "rope": {"rope_type": "default", "theta": 10000.0}})";

/// Qwen3's description after the CUDA pipeline.
inline std::unique_ptr<Module> compiledQwen3(const PassOptions &pass, llvm::StringRef json = qwen3Config) {
  auto description = llvm::MemoryBuffer::getFile(SINTER_SOURCE_DIR "/models/qwen3.sir");
  AttrDict dict = llvm::cantFail(attrFromJson(*llvm::cantFail(llvm::json::parse(json)).getAsObject()));
  Holes holes;
  holes.config = &dict;
  holes.configOrigin = "config.json";
  holes.architecture = "Qwen3ForCausalLM";
  holes.weightType = [](llvm::StringRef, llvm::ArrayRef<int64_t> shape) {
    return Type(Scalar::BF16, llvm::to_vector_of<Dim>(shape));
  };
  auto module = parseModule(llvm::MemoryBufferRef((*description)->getBuffer(), "models/qwen3.sir"), holes);
  if (!module)
    throw std::runtime_error(llvm::toString(module.takeError()));
  (*module)->maxSeqLen = 512;
  Pipeline pipeline = llvm::cantFail(parsePipeline(defaultPipelineFor(pass)));
  if (llvm::Error error = runPipeline(**module, pipeline, pass, {}, llvm::errs()))
    throw std::runtime_error(llvm::toString(std::move(error)));
  return std::move(*module);
}

} // namespace sinter
