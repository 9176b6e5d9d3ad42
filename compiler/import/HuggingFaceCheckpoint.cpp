// SPDX-License-Identifier: Apache-2.0
// A Hugging Face directory as a checkpoint.
#include "compiler/import/HuggingFaceCheckpoint.h"
#include "compiler/import/HuggingFaceConfig.h"
#include "compiler/import/Safetensors.h"
#include "compiler/import/TokenizerImport.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <map>
#include <set>

namespace sinter {

namespace {

namespace fs = llvm::sys::fs;

std::string inside(llvm::StringRef directory, llvm::StringRef name) {
  llvm::SmallString<128> path = directory;
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// Names of the directory's entries, sorted.
std::set<std::string> entriesOf(llvm::StringRef directory) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; it != end && !error; it.increment(error))
    names.insert(llvm::sys::path::filename(it->path()).str());
  return names;
}

llvm::Error noConfig(llvm::StringRef directory) {
  std::set<std::string> names = entriesOf(directory);
  auto gguf = llvm::find_if(names, [](llvm::StringRef name) { return name.ends_with(".gguf"); });
  if (gguf != names.end())
    return llvm::createStringError(directory + ": expected config.json, found none; to read the GGUF file, give " +
                                   inside(directory, *gguf));
  return llvm::createStringError(directory + ": expected config.json, found " +
                                 (names.empty() ? "an empty directory" : "none"));
}

llvm::Error readTensors(llvm::StringRef directory, TensorList &out) {
  constexpr llvm::StringLiteral single = "model.safetensors", sharded = "model.safetensors.index.json";
  if (fs::exists(inside(directory, single))) {
    auto file = SourceFile::open(inside(directory, single));
    return file ? readSafetensors(*file, out) : file.takeError();
  }
  if (fs::exists(inside(directory, sharded))) {
    auto index = SourceFile::open(inside(directory, sharded));
    return index ? readShardedSafetensors(**index, out) : index.takeError();
  }
  bool pickled = fs::exists(inside(directory, "pytorch_model.bin")) ||
                 fs::exists(inside(directory, "pytorch_model.bin.index.json"));
  return llvm::createStringError(directory + ": expected " + single + " or " + sharded + ", found " +
                                 (pickled ? "pytorch_model.bin (save the model as safetensors)" : "neither"));
}

/// The dtype of most of the checkpoint's elements, in config.json's words.
llvm::StringRef dtypeOf(const TensorList &tensors) {
  std::map<Scalar, int64_t> elements;
  for (const auto &tensor : tensors)
    elements[tensor->type.element.scalar()] += tensor->type.numElements();
  auto less = [](const auto &a, const auto &b) { return a.second < b.second; };
  switch (std::max_element(elements.begin(), elements.end(), less)->first) {
  case Scalar::F16:
    return "float16";
  case Scalar::BF16:
    return "bfloat16";
  default:
    return "float32";
  }
}

} // namespace

llvm::Expected<Checkpoint> openHuggingFace(llvm::StringRef directory) {
  if (!fs::exists(inside(directory, "config.json")))
    return noConfig(directory);
  TRY_ASSIGN(file, SourceFile::open(inside(directory, "config.json")));
  TRY_ASSIGN(json, parseJsonFile(*file));
  Checkpoint out;
  TRY(readTensors(directory, out.tensors));
  if (out.tensors.empty())
    return llvm::createStringError(directory + ": expected tensors, found none");
  llvm::sort(out.tensors, [](const auto &a, const auto &b) { return a->name < b->name; });
  TRY(normalizeConfig(*file, json.root, dtypeOf(out.tensors)));
  TRY_ASSIGN(generation, readGenerationDefaults(directory, *file, json.root));
  TRY_ASSIGN(tokenizer, tokenizerFromHuggingFace(directory));
  if (tokenizer)
    out.tokenizer = rt::serialize(*tokenizer);
  out.config = std::move(json.root);
  out.configOrigin = "config.json";
  out.generation = std::move(generation);
  return out;
}

} // namespace sinter
