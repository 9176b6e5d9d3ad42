// SPDX-License-Identifier: Apache-2.0
// Dispatch on "type", with an error that lists the types there are.
#include "compiler/import/TokenizerStep.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace sinter {

llvm::Error readStep(const TokenizerStep &step, llvm::ArrayRef<StepKind> kinds, rt::TokenizerData &data) {
  Optional<std::string> type = step.reader().string("type");
  if (!type)
    return type.takeError();
  const StepKind *kind = llvm::find_if(kinds, [&](const StepKind &k) { return *type && k.type == **type; });
  if (kind != kinds.end())
    return kind->read(step, data);
  auto names = llvm::map_range(kinds, [](const StepKind &k) { return "'" + k.type.str() + "'"; });
  return step.reader().bad("type", "one of " + llvm::join(names, ", "), *type ? quoted(**type) : "none");
}

llvm::Error readSteps(const TokenizerStep &step, llvm::StringRef key, llvm::ArrayRef<StepKind> kinds,
                      rt::TokenizerData &data) {
  const llvm::json::Array *list = step.object.getArray(key);
  if (!list)
    return step.reader().bad(key, "an array", step.object.get(key) ? describe(*step.object.get(key)) : "none");
  for (auto [index, value] : llvm::enumerate(*list)) {
    std::string place = (key + "[" + llvm::Twine(index) + "]").str();
    const llvm::json::Object *object = value.getAsObject();
    if (!object)
      return step.reader().bad(place, "an object", describe(value));
    if (llvm::Error error = readStep({step.file, *object, step.prefix + place + "."}, kinds, data))
      return error;
  }
  return llvm::Error::success();
}

llvm::Expected<StepPattern> readPattern(const TokenizerStep &step) {
  Optional<const llvm::json::Object *> pattern = step.reader().nested("pattern");
  if (!pattern)
    return pattern.takeError();
  for (bool isRegex : {false, true})
    if (*pattern)
      if (std::optional<llvm::StringRef> text = (**pattern)->getString(isRegex ? "Regex" : "String"))
        return StepPattern{text->str(), isRegex};
  return step.reader().bad("pattern", "a 'String' or a 'Regex'", *pattern ? "neither" : "none");
}

} // namespace sinter
