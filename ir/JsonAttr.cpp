// SPDX-License-Identifier: Apache-2.0
// The conversion from JSON values to attributes.
#include "ir/JsonAttr.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"

namespace sinter {

namespace {

constexpr int deepest = 64;

llvm::Expected<AttrDict> dictOf(const llvm::json::Object &object, int depth);

llvm::Expected<AttrValue> valueOf(const llvm::json::Value &v, int depth) {
  if (depth > deepest)
    return llvm::createStringError("JSON nests deeper than " + llvm::Twine(deepest) + " levels");
  if (auto b = v.getAsBoolean())
    return AttrValue(*b);
  if (auto i = v.getAsInteger())
    return AttrValue(*i);
  if (auto d = v.getAsNumber())
    return AttrValue(*d);
  if (auto s = v.getAsString())
    return AttrValue(s->str());
  if (const llvm::json::Object *object = v.getAsObject()) {
    TRY_ASSIGN(dict, dictOf(*object, depth));
    return AttrValue(std::move(dict));
  }
  AttrList list;
  for (const llvm::json::Value &element : *v.getAsArray())
    if (element.kind() != llvm::json::Value::Null) {
      TRY_ASSIGN(value, valueOf(element, depth + 1));
      list.push_back(std::move(value));
    }
  return AttrValue(std::move(list));
}

llvm::Expected<AttrDict> dictOf(const llvm::json::Object &object, int depth) {
  AttrDict dict;
  for (const auto &[key, v] : object)
    if (v.kind() != llvm::json::Value::Null) {
      TRY_ASSIGN(value, valueOf(v, depth + 1));
      dict.emplace_back(key.str(), std::move(value));
    }
  llvm::sort(dict, llvm::less_first());
  return dict;
}

} // namespace

llvm::Expected<AttrDict> attrFromJson(const llvm::json::Object &object) { return dictOf(object, 0); }

} // namespace sinter
