// SPDX-License-Identifier: Apache-2.0
// What comes after the model in tokenizer.json: the tokens put around a text, and how ids become text again.
#include "compiler/import/TokenizerStep.h"
#include "ir/Try.h"

namespace sinter {

namespace {

llvm::Error nothing(const TokenizerStep &, rt::TokenizerData &) { return llvm::Error::success(); }

// Post-processors: what they put around one text.

llvm::Error specialIds(const TokenizerStep &step, llvm::StringRef name, std::vector<int32_t> &ids) {
  const llvm::json::Object *tokens = step.object.getObject("special_tokens");
  const llvm::json::Object *token = tokens ? tokens->getObject(name) : nullptr;
  const llvm::json::Array *list = token ? token->getArray("ids") : nullptr;
  if (!list)
    return step.reader().bad("special_tokens", "the ids of " + quoted(name), "none");
  for (const llvm::json::Value &value : *list) {
    std::optional<int64_t> id = value.getAsInteger();
    if (!id || *id < 0 || *id >= static_cast<int64_t>(rt::maxPieces))
      return step.reader().bad("special_tokens", "token ids for " + quoted(name), describe(value));
    ids.push_back(static_cast<int32_t>(*id));
  }
  return llvm::Error::success();
}

llvm::Error templateProcessing(const TokenizerStep &step, rt::TokenizerData &data) {
  const llvm::json::Array *parts = step.object.getArray("single");
  if (!parts)
    return step.reader().bad("single", "an array", "none");
  std::vector<int32_t> around[2]; // before and after the text
  size_t texts = 0;
  for (const llvm::json::Value &value : *parts) {
    const llvm::json::Object *part = value.getAsObject();
    const llvm::json::Object *special = part ? part->getObject("SpecialToken") : nullptr;
    std::optional<llvm::StringRef> name = special ? special->getString("id") : std::nullopt;
    if (name) {
      TRY(specialIds(step, *name, around[texts > 0]));
    } else if (part && part->getObject("Sequence")) {
      ++texts;
    } else {
      return step.reader().bad("single", "'SpecialToken' and 'Sequence'", describe(value));
    }
  }
  if (texts != 1)
    return step.reader().bad("single", "one 'Sequence'", llvm::Twine(texts));
  data.prefixIds.insert(data.prefixIds.begin(), around[0].begin(), around[0].end());
  data.suffixIds.insert(data.suffixIds.end(), around[1].begin(), around[1].end());
  return llvm::Error::success();
}

/// RoBERTa's and BERT's: "cls" before, "sep" after, each as ["<s>", 0].
llvm::Error classAndSeparator(const TokenizerStep &step, rt::TokenizerData &data) {
  auto idOf = [&](llvm::StringRef key) -> llvm::Expected<int32_t> {
    const llvm::json::Array *pair = step.object.getArray(key);
    std::optional<int64_t> id = pair && pair->size() == 2 ? (*pair)[1].getAsInteger() : std::nullopt;
    if (!id || *id < 0 || *id >= static_cast<int64_t>(rt::maxPieces))
      return step.reader().bad(key, "a token and its id", "something else");
    return static_cast<int32_t>(*id);
  };
  llvm::Expected<int32_t> first = idOf("cls");
  if (!first)
    return first.takeError();
  llvm::Expected<int32_t> last = idOf("sep");
  if (!last)
    return last.takeError();
  data.prefixIds.insert(data.prefixIds.begin(), *first);
  data.suffixIds.push_back(*last);
  return llvm::Error::success();
}

llvm::Error postProcessorSequence(const TokenizerStep &step, rt::TokenizerData &data);
constexpr StepKind postProcessors[] = {{"ByteLevel", nothing},
                                       {"TemplateProcessing", templateProcessing},
                                       {"RobertaProcessing", classAndSeparator},
                                       {"BertProcessing", classAndSeparator},
                                       {"Sequence", postProcessorSequence}};
llvm::Error postProcessorSequence(const TokenizerStep &step, rt::TokenizerData &data) {
  return readSteps(step, "processors", postProcessors, data);
}

// Decoders. The runtime joins bytes; for characters it says U+2581 as a space, which Replace has to ask for.

llvm::Error spaceSymbol(const TokenizerStep &step, rt::TokenizerData &data) {
  llvm::Expected<StepPattern> pattern = readPattern(step);
  if (!pattern)
    return pattern.takeError();
  std::optional<llvm::StringRef> content = step.object.getString("content");
  if (pattern->isRegex || pattern->text != "\xE2\x96\x81" || content != " ")
    return step.reader().bad("pattern", "U+2581 replaced by a space", quoted(pattern->text));
  return llvm::Error::success();
}

llvm::Error stripDecoder(const TokenizerStep &step, rt::TokenizerData &data) {
  if (step.object.getString("content") != " " || step.object.getInteger("start") != 1 ||
      step.object.getInteger("stop") != 0)
    return step.reader().bad("type", "'Strip' of one space at the start", "another one");
  data.stripLeadingSpace = true;
  return llvm::Error::success();
}

llvm::Error decoderSequence(const TokenizerStep &step, rt::TokenizerData &data);
constexpr StepKind byteDecoders[] = {{"ByteLevel", nothing}};
constexpr StepKind characterDecoders[] = {{"Replace", spaceSymbol},
                                          {"ByteFallback", nothing},
                                          {"Fuse", nothing},
                                          {"Strip", stripDecoder},
                                          {"Sequence", decoderSequence}};
llvm::Error decoderSequence(const TokenizerStep &step, rt::TokenizerData &data) {
  return readSteps(step, "decoders", characterDecoders, data);
}

} // namespace

llvm::ArrayRef<StepKind> postProcessorKinds() { return postProcessors; }

llvm::ArrayRef<StepKind> decoderKinds(rt::TokenizerModel model) {
  if (model == rt::TokenizerModel::ByteLevelBpe)
    return byteDecoders;
  return characterDecoders;
}

} // namespace sinter
