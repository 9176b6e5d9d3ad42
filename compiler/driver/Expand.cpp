// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/Expand.h"
#include "ir/JsonAttr.h"
#include "ir/Parser.h"
#include "ir/Try.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace {

struct Description {
  std::string name; ///< as messages show it: "models/qwen3.sir"
  std::unique_ptr<llvm::MemoryBuffer> text;
  std::vector<std::string> architectures;

  /// Where it begins to describe an architecture: "models/qwen3.sir:5".
  std::string placeOf(llvm::StringRef architecture) const {
    llvm::StringRef all = text->getBuffer();
    size_t at = all.find(("\"" + architecture + "\"").str());
    assert(at != llvm::StringRef::npos && "an architecture is named where it is described");
    return name + ":" + std::to_string(all.take_front(at).count('\n') + 1);
  }
};

llvm::Expected<std::vector<Description>> readDescriptions(llvm::StringRef dir) {
  std::vector<std::string> paths;
  std::error_code ec;
  for (llvm::sys::fs::directory_iterator it(dir, ec), end; it != end && !ec; it.increment(ec))
    if (llvm::sys::path::extension(it->path()) == ".sir")
      paths.push_back(it->path());
  if (ec)
    return llvm::createFileError(dir, ec);
  llvm::sort(paths);
  std::vector<Description> all;
  for (const std::string &path : paths) {
    auto text = llvm::MemoryBuffer::getFile(path);
    if (!text)
      return llvm::createFileError(path, text.getError());
    std::string name = ("models/" + llvm::sys::path::filename(path)).str();
    TRY_ASSIGN(models, describedModels(llvm::MemoryBufferRef((*text)->getBuffer(), name)));
    all.push_back({name, std::move(*text), models});
  }
  return all;
}

llvm::Expected<std::string> architectureOf(const Checkpoint &checkpoint) {
  const llvm::json::Array *names = checkpoint.config.getArray("architectures");
  if (names && names->size() == 1)
    if (auto name = (*names)[0].getAsString())
      return name->str();
  const llvm::json::Value *given = checkpoint.config.get("architectures");
  std::string found = given ? llvm::formatv("{0}", *given).str() : "none";
  return llvm::createStringError(checkpoint.configOrigin + ": architectures: expected a list of one name, found " +
                                 found);
}

llvm::Expected<const Description *> findDescription(llvm::ArrayRef<Description> all, llvm::StringRef architecture,
                                                    const Checkpoint &checkpoint) {
  std::string known;
  for (const Description &d : all)
    for (const std::string &a : d.architectures) {
      if (a == architecture)
        return &d;
      known += (known.empty() ? "" : ", ") + a + " (" + d.placeOf(a) + ")";
    }
  return llvm::createStringError(checkpoint.configOrigin + ": architecture '" + architecture +
                                 "' is not described by any file of models/, which know: " + known);
}

std::string shapeText(llvm::ArrayRef<int64_t> shape) {
  return "[" + llvm::join(llvm::map_range(shape, [](int64_t d) { return std::to_string(d); }), ", ") + "]";
}

/// Types of the weights that a description asks for, and which tensors it asked for.
class WeightTypes {
public:
  explicit WeightTypes(const Checkpoint &checkpoint) : checkpoint(checkpoint) {}

  llvm::Expected<Type> find(llvm::StringRef name, llvm::ArrayRef<int64_t> shape) {
    if (checkpoint.weightType)
      return Type(*checkpoint.weightType, llvm::to_vector_of<Dim>(shape));
    const WeightTensor *tensor = checkpoint.find(name);
    if (!tensor)
      return llvm::createStringError("'" + checkpoint.path + "' has no tensor '" + name + "'");
    llvm::SmallVector<Dim> expected(shape.begin(), shape.end());
    if (llvm::ArrayRef<Dim>(tensor->type.shape) != llvm::ArrayRef<Dim>(expected))
      return llvm::createStringError("tensor '" + name + "' of '" + tensor->origin + "' is " + tensor->type.str() +
                                     ", expected the shape " + shapeText(shape));
    used.insert(name);
    return tensor->type;
  }

  /// `place` is where the model's description begins.
  llvm::Error checkAllUsed(llvm::StringRef place, bool tied, std::vector<std::string> &notes) const {
    for (auto &tensor : checkpoint.tensors) {
      if (used.contains(tensor->name))
        continue;
      if (tied && tensor->name == "lm_head.weight") {
        notes.push_back("'lm_head.weight' of '" + tensor->origin +
                        "' is not read: config.json ties the head to the embedding table");
        continue;
      }
      return llvm::createStringError("tensor '" + tensor->name + "' of '" + tensor->origin + "' is not used by " +
                                     place);
    }
    return llvm::Error::success();
  }

private:
  const Checkpoint &checkpoint;
  llvm::StringSet<> used;
};

} // namespace

llvm::Expected<Expansion> expandModel(const Checkpoint &checkpoint, llvm::StringRef modelsDir) {
  TRY_ASSIGN(descriptions, readDescriptions(modelsDir));
  TRY_ASSIGN(architecture, architectureOf(checkpoint));
  TRY_ASSIGN(description, findDescription(descriptions, architecture, checkpoint));
  TRY_ASSIGN(config, attrFromJson(checkpoint.config));

  WeightTypes types(checkpoint);
  Holes holes;
  holes.config = &config;
  holes.configOrigin = checkpoint.configOrigin;
  holes.architecture = architecture;
  holes.weightType = [&](llvm::StringRef name, llvm::ArrayRef<int64_t> shape) { return types.find(name, shape); };
  Expansion expansion;
  expansion.description = description->name;
  TRY_ASSIGN(module, parseModule(llvm::MemoryBufferRef(description->text->getBuffer(), description->name), holes));
  expansion.module = std::move(module);
  TRY(types.checkAllUsed(description->placeOf(architecture),
                         checkpoint.config.getBoolean("tie_word_embeddings").value_or(false), expansion.notes));
  TRY(verify(*expansion.module));
  return expansion;
}

} // namespace sinter
