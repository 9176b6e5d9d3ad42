// SPDX-License-Identifier: Apache-2.0
// generation_config.json: what ends an answer and how its authors sample.
#include "compiler/import/HuggingFaceConfig.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace {

llvm::Error readIds(const ConfigReader &reader, GenerationDefaults &out) {
  auto eos = reader.tokenIds("eos_token_id");
  if (!eos)
    return eos.takeError();
  if (out.eosTokenIds.empty())
    out.eosTokenIds = std::move(*eos);
  auto bos = reader.tokenId("bos_token_id");
  if (!bos)
    return bos.takeError();
  if (!out.bosTokenId)
    out.bosTokenId = *bos;
  auto pad = reader.tokenId("pad_token_id");
  if (!pad)
    return pad.takeError();
  if (!out.padTokenId)
    out.padTokenId = *pad;
  return llvm::Error::success();
}

llvm::Error readSampling(const ConfigReader &reader, GenerationDefaults &out) {
  auto temperature = reader.number("temperature");
  if (!temperature)
    return temperature.takeError();
  if (*temperature && **temperature < 0)
    return reader.bad("temperature", "a number from 0 up", describe(*reader.get("temperature")));
  out.temperature = *temperature;
  auto topP = reader.number("top_p");
  if (!topP)
    return topP.takeError();
  if (*topP && (**topP < 0 || **topP > 1))
    return reader.bad("top_p", "a number from 0 to 1", describe(*reader.get("top_p")));
  out.topP = *topP;
  auto topK = reader.integer("top_k");
  if (!topK)
    return topK.takeError();
  if (*topK && (**topK < 0 || **topK > INT32_MAX))
    return reader.bad("top_k", "an integer from 0 up", describe(*reader.get("top_k")));
  if (*topK)
    out.topK = int32_t(**topK);
  return llvm::Error::success();
}

} // namespace

llvm::Expected<GenerationDefaults> readGenerationDefaults(llvm::StringRef directory, const SourceFile &configFile,
                                                          const llvm::json::Object &config) {
  GenerationDefaults defaults;
  llvm::SmallString<128> path = directory;
  llvm::sys::path::append(path, "generation_config.json");
  if (llvm::sys::fs::exists(path)) {
    auto file = SourceFile::open(path);
    if (!file)
      return file.takeError();
    auto json = parseJsonFile(**file);
    if (!json)
      return json.takeError();
    ConfigReader reader(**file, json->root);
    if (llvm::Error error = readIds(reader, defaults))
      return error;
    if (llvm::Error error = readSampling(reader, defaults))
      return error;
  }
  if (llvm::Error error = readIds(ConfigReader(configFile, config), defaults))
    return error;
  return defaults;
}

} // namespace sinter
