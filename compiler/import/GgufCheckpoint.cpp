// SPDX-License-Identifier: Apache-2.0
// A GGUF file as a checkpoint.
#include "compiler/import/GgufModel.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"

namespace sinter {

static llvm::Expected<GenerationDefaults> generationDefaults(const GgufMetadata &metadata) {
  GenerationDefaults out;
  // The end of a turn ends an answer as the end of the text does.
  for (llvm::StringRef key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    TRY_ASSIGN(id, metadata.tokenId(key));
    if (id && !llvm::is_contained(out.eosTokenIds, *id))
      out.eosTokenIds.push_back(*id);
  }
  TRY_ASSIGN(bos, metadata.tokenId("tokenizer.ggml.bos_token_id"));
  out.bosTokenId = bos;
  TRY_ASSIGN(pad, metadata.tokenId("tokenizer.ggml.padding_token_id"));
  out.padTokenId = pad;
  return out;
}

llvm::Expected<Checkpoint> openGguf(std::shared_ptr<const SourceFile> file) {
  TRY_ASSIGN(gguf, readGguf(*file));
  TRY_ASSIGN(family, findGgufFamily(gguf.metadata, *file));
  TRY_ASSIGN(config, ggufConfig(gguf, *family, *file));
  TRY_ASSIGN(tensors, ggufTensors(gguf, *family, file, config));
  TRY_ASSIGN(generation, generationDefaults(gguf.metadata));
  TRY_ASSIGN(tokenizer, ggufTokenizer(gguf.metadata, *file));
  Checkpoint out;
  out.config = std::move(config);
  out.configOrigin = file->name().str();
  out.tensors = std::move(tensors);
  out.tokenizer = std::move(tokenizer);
  out.generation = std::move(generation);
  return out;
}

} // namespace sinter
