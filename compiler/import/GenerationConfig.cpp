// SPDX-License-Identifier: Apache-2.0
// generation_config.json: what ends an answer and how its authors sample.
#include "compiler/import/HuggingFaceConfig.h"
#include "ir/Try.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace {

llvm::Error readIds(const ConfigReader &reader, GenerationDefaults &out) {
  TRY_ASSIGN(eos, reader.tokenIds("eos_token_id"));
  if (out.eosTokenIds.empty())
    out.eosTokenIds = std::move(eos);
  TRY_ASSIGN(bos, reader.tokenId("bos_token_id"));
  if (!out.bosTokenId)
    out.bosTokenId = bos;
  TRY_ASSIGN(pad, reader.tokenId("pad_token_id"));
  if (!out.padTokenId)
    out.padTokenId = pad;
  return llvm::Error::success();
}

llvm::Error readSampling(const ConfigReader &reader, GenerationDefaults &out) {
  TRY_ASSIGN(temperature, reader.number("temperature"));
  if (temperature && *temperature < 0)
    return reader.bad("temperature", "a number from 0 up", describe(*reader.get("temperature")));
  out.temperature = temperature;
  TRY_ASSIGN(topP, reader.number("top_p"));
  if (topP && (*topP < 0 || *topP > 1))
    return reader.bad("top_p", "a number from 0 to 1", describe(*reader.get("top_p")));
  out.topP = topP;
  TRY_ASSIGN(topK, reader.integer("top_k"));
  if (topK && (*topK < 0 || *topK > INT32_MAX))
    return reader.bad("top_k", "an integer from 0 up", describe(*reader.get("top_k")));
  if (topK)
    out.topK = int32_t(*topK);
  return llvm::Error::success();
}

} // namespace

llvm::Expected<GenerationDefaults> readGenerationDefaults(llvm::StringRef directory, const SourceFile &configFile,
                                                          const llvm::json::Object &config) {
  GenerationDefaults defaults;
  llvm::SmallString<128> path = directory;
  llvm::sys::path::append(path, "generation_config.json");
  if (llvm::sys::fs::exists(path)) {
    TRY_ASSIGN(file, SourceFile::open(path));
    TRY_ASSIGN(json, parseJsonFile(*file));
    ConfigReader reader(*file, json.root);
    TRY(readIds(reader, defaults));
    TRY(readSampling(reader, defaults));
  }
  TRY(readIds(ConfigReader(configFile, config), defaults));
  return defaults;
}

} // namespace sinter
