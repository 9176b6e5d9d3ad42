// SPDX-License-Identifier: Apache-2.0
// A GGUF file as a checkpoint.
#include "compiler/import/GgufModel.h"
#include "llvm/ADT/STLExtras.h"

namespace sinter {

static llvm::Expected<GenerationDefaults> generationDefaults(const GgufMetadata &metadata) {
  GenerationDefaults out;
  // The end of a turn ends an answer as the end of the text does.
  for (llvm::StringRef key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    auto id = metadata.tokenId(key);
    if (!id)
      return id.takeError();
    if (*id && !llvm::is_contained(out.eosTokenIds, **id))
      out.eosTokenIds.push_back(**id);
  }
  auto bos = metadata.tokenId("tokenizer.ggml.bos_token_id");
  if (!bos)
    return bos.takeError();
  out.bosTokenId = *bos;
  auto pad = metadata.tokenId("tokenizer.ggml.padding_token_id");
  if (!pad)
    return pad.takeError();
  out.padTokenId = *pad;
  return out;
}

llvm::Expected<Checkpoint> openGguf(std::shared_ptr<const SourceFile> file) {
  auto gguf = readGguf(*file);
  if (!gguf)
    return gguf.takeError();
  auto family = findGgufFamily(gguf->metadata, *file);
  if (!family)
    return family.takeError();
  auto config = ggufConfig(*gguf, **family, *file);
  if (!config)
    return config.takeError();
  auto tensors = ggufTensors(*gguf, **family, file, *config);
  if (!tensors)
    return tensors.takeError();
  auto generation = generationDefaults(gguf->metadata);
  if (!generation)
    return generation.takeError();
  auto tokenizer = ggufTokenizer(gguf->metadata, *file);
  if (!tokenizer)
    return tokenizer.takeError();
  Checkpoint out;
  out.config = std::move(*config);
  out.configOrigin = file->name().str();
  out.tensors = std::move(*tensors);
  out.tokenizer = std::move(*tokenizer);
  out.generation = std::move(*generation);
  return out;
}

} // namespace sinter
