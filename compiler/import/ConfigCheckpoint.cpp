// SPDX-License-Identifier: Apache-2.0
// A config.json as a checkpoint without tensors.
#include "compiler/import/Checkpoint.h"
#include "compiler/import/HuggingFaceConfig.h"
#include "ir/Try.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace path = llvm::sys::path;

/// "Qwen3-4B/config.json" is Qwen3-4B, and so is "Qwen3-4B.config.json".
static std::string nameOfConfig(llvm::StringRef file) {
  llvm::SmallString<128> full = file;
  llvm::sys::fs::make_absolute(full);
  path::remove_dots(full, /*remove_dot_dot=*/true);
  llvm::StringRef stem = path::stem(full);
  if (stem == "config")
    return path::filename(path::parent_path(full)).str();
  stem.consume_back(".config");
  return stem.str();
}

llvm::Expected<Checkpoint> openConfig(llvm::StringRef given) {
  llvm::SmallString<128> name = given;
  if (llvm::sys::fs::is_directory(given))
    path::append(name, "config.json");
  if (!llvm::sys::fs::exists(name))
    return llvm::createStringError(given + ": expected a config.json or a directory with one, found nothing there");
  TRY_ASSIGN(file, SourceFile::open(name));
  TRY_ASSIGN(json, parseJsonFile(*file));
  TRY(normalizeConfig(*file, json.root, "bfloat16"));
  TRY_ASSIGN(generation, readGenerationDefaults(path::parent_path(name), *file, json.root));
  Checkpoint out;
  out.path = given.str();
  out.name = nameOfConfig(name);
  out.weightType = llvm::StringSwitch<ElementType>(*json.root.getString("dtype"))
                       .Case("float32", Scalar::F32)
                       .Case("float16", Scalar::F16)
                       .Default(Scalar::BF16);
  out.config = std::move(json.root);
  out.configOrigin = path::filename(name).str();
  out.generation = std::move(generation);
  return out;
}

} // namespace sinter
