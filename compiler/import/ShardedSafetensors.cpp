// SPDX-License-Identifier: Apache-2.0
// Reading the shards of a model.safetensors.index.json: {"metadata": {...}, "weight_map": {tensor name: file name}}.
#include "compiler/import/JsonText.h"
#include "compiler/import/Safetensors.h"
#include "ir/Try.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <map>
#include <set>

namespace sinter {

namespace {

using WeightMap = std::map<std::string, std::string>; // tensor -> shard

llvm::Expected<WeightMap> readWeightMap(const SourceFile &index) {
  TRY_ASSIGN(json, parseJsonFile(index));
  const llvm::json::Object *entries = json.root.getObject("weight_map");
  if (!entries)
    return index.error("expected an object 'weight_map', found none");
  WeightMap map;
  for (const auto &entry : *entries)
    map[entry.first.str()];
  for (auto &[tensor, shard] : map) {
    const llvm::json::Value &value = *entries->get(tensor);
    shard = value.getAsString().value_or("").str();
    // An index must not reach for files elsewhere.
    if (shard.empty() || shard != llvm::sys::path::filename(shard) || shard == "." || shard == "..")
      return index.error("weight_map of " + quoted(tensor) + ": expected the name of a file beside the index, found " +
                         describe(value));
  }
  if (map.empty())
    return index.error("expected tensors in 'weight_map', found none");
  return map;
}

llvm::Error readShard(const SourceFile &index, llvm::StringRef shard, TensorList &out) {
  llvm::SmallString<128> path = llvm::sys::path::parent_path(index.path());
  llvm::sys::path::append(path, shard);
  if (!llvm::sys::fs::exists(path))
    return index.error("expected the shard " + quoted(shard) + " beside the index, found no such file");
  TRY_ASSIGN(file, SourceFile::open(path));
  return readSafetensors(file, out);
}

/// Every tensor is where the index says, and nowhere else.
llvm::Error checkPlaces(const SourceFile &index, const WeightMap &map, llvm::ArrayRef<TensorList::value_type> tensors) {
  llvm::StringMap<llvm::StringRef> places;
  for (const auto &tensor : tensors) {
    auto [place, isNew] = places.insert({tensor->name, tensor->origin});
    if (!isNew)
      return index.error("tensor " + quoted(tensor->name) + ": expected it in one shard, found it in " +
                         quoted(place->second) + " and " + quoted(tensor->origin));
  }
  for (const auto &[name, shard] : map) {
    if (isRotaryTable(name))
      continue;
    llvm::StringRef place = places.lookup(name);
    if (place != shard)
      return index.error("tensor " + quoted(name) + ": expected it in " + quoted(shard) + ", found it in " +
                         (place.empty() ? "no shard" : quoted(place)));
  }
  return llvm::Error::success();
}

} // namespace

llvm::Error readShardedSafetensors(const SourceFile &index, TensorList &out) {
  TRY_ASSIGN(map, readWeightMap(index));
  std::set<std::string> shards;
  for (const auto &entry : map)
    shards.insert(entry.second);
  for (const std::string &shard : shards)
    TRY(readShard(index, shard, out));
  return checkPlaces(index, map, out);
}

} // namespace sinter
