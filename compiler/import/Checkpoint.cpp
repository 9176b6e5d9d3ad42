// SPDX-License-Identifier: Apache-2.0
// Opening a checkpoint of either format.
#include "compiler/import/Checkpoint.h"
#include "compiler/import/GgufModel.h"
#include "compiler/import/HuggingFaceCheckpoint.h"
#include "ir/Try.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace {

namespace path = llvm::sys::path;

/// "models/Qwen3-4B/" -> "Qwen3-4B", "tiny.Q4_0.gguf" -> "tiny.Q4_0"; "." is the directory it stands for.
std::string nameOf(llvm::StringRef given, bool isDirectory) {
  llvm::SmallString<128> full = given;
  llvm::sys::fs::make_absolute(full);
  path::remove_dots(full, /*remove_dot_dot=*/true);
  llvm::StringRef trimmed = full.str().rtrim('/');
  return (isDirectory ? path::filename(trimmed) : path::stem(trimmed)).str();
}

llvm::Expected<Checkpoint> openFile(llvm::StringRef given) {
  TRY_ASSIGN(file, SourceFile::open(given));
  if (file->size() == 0)
    return file->error("expected a GGUF file or a Hugging Face directory, found an empty file");
  if (path::extension(given) == ".safetensors")
    return file->error("expected a GGUF file or a Hugging Face directory, found a safetensors file; give the "
                       "directory that holds it and its config.json");
  // A file that says it is GGUF is read as one, so that a damaged magic is reported with its place.
  if (!isGguf(*file) && path::extension(given) != ".gguf")
    return file->error("expected a GGUF file or a Hugging Face directory, found a file that starts with " +
                       quoted(file->text().take_front(4)));
  return openGguf(std::move(file));
}

} // namespace

const WeightTensor *Checkpoint::find(llvm::StringRef tensorName) const {
  auto found = llvm::lower_bound(tensors, tensorName,
                                 [](const auto &tensor, llvm::StringRef wanted) { return tensor->name < wanted; });
  return found != tensors.end() && (*found)->name == tensorName ? found->get() : nullptr;
}

llvm::Expected<Checkpoint> openCheckpoint(llvm::StringRef given) {
  if (!llvm::sys::fs::exists(given))
    return llvm::createStringError(given + ": expected a GGUF file or a Hugging Face directory, found nothing there");
  bool isDirectory = llvm::sys::fs::is_directory(given);
  TRY_ASSIGN(checkpoint, isDirectory ? openHuggingFace(given) : openFile(given));
  checkpoint.path = given.str();
  checkpoint.name = nameOf(given, isDirectory);
  return checkpoint;
}

} // namespace sinter
