// SPDX-License-Identifier: Apache-2.0
// Normalizers and pre-tokenizers of tokenizer.json: one function for each type, one table of them for each stage.
#include "compiler/import/TokenizerPipeline.h"
#include "compiler/import/TokenizerStep.h"
#include "compiler/import/TokenizerVocabulary.h"
#include "ir/Try.h"
#include "runtime/text/Regex.h"
#include "llvm/ADT/StringSwitch.h"

namespace sinter {

namespace {

// Normalizers.

template <rt::NormalizerKind kind>
llvm::Error normalForm(const TokenizerStep &, rt::TokenizerData &data) {
  data.normalizers.push_back({kind, "", ""});
  return llvm::Error::success();
}

llvm::Error prepend(const TokenizerStep &step, rt::TokenizerData &data) {
  Optional<std::string> text = step.reader().string("prepend");
  if (!text)
    return text.takeError();
  data.normalizers.push_back({rt::NormalizerKind::Prepend, "", text->value_or("")});
  return llvm::Error::success();
}

llvm::Error replace(const TokenizerStep &step, rt::TokenizerData &data) {
  llvm::Expected<StepPattern> pattern = readPattern(step);
  if (!pattern)
    return pattern.takeError();
  if (pattern->isRegex)
    return step.reader().bad("pattern", "a 'String'", "a 'Regex'");
  Optional<std::string> content = step.reader().string("content");
  if (!content)
    return content.takeError();
  data.normalizers.push_back({rt::NormalizerKind::Replace, pattern->text, content->value_or("")});
  return llvm::Error::success();
}

llvm::Error normalizerSequence(const TokenizerStep &step, rt::TokenizerData &data);
constexpr StepKind normalizers[] = {
    {"NFC", normalForm<rt::NormalizerKind::Nfc>},
    {"NFD", normalForm<rt::NormalizerKind::Nfd>},
    {"NFKC", normalForm<rt::NormalizerKind::Nfkc>},
    {"NFKD", normalForm<rt::NormalizerKind::Nfkd>},
    {"Prepend", prepend},
    {"Replace", replace},
    {"Sequence", normalizerSequence},
};
llvm::Error normalizerSequence(const TokenizerStep &step, rt::TokenizerData &data) {
  return readSteps(step, "normalizers", normalizers, data);
}

// Pre-tokenizers. The runtime's words are bytes already; ByteLevel only cuts and marks the model.

llvm::Error addSplit(const TokenizerStep &step, llvm::StringRef key, llvm::StringRef pattern,
                     rt::SplitBehavior behavior, bool invert, rt::TokenizerData &data) {
  llvm::Expected<rt::SplitStep> split = splitAt(pattern, behavior, invert);
  if (!split)
    return step.reader().bad(key, "a pattern that this compiler can carry over", llvm::toString(split.takeError()));
  data.splits.push_back(std::move(*split));
  return llvm::Error::success();
}

llvm::Error split(const TokenizerStep &step, rt::TokenizerData &data) {
  constexpr rt::SplitBehavior none{255};
  llvm::Expected<StepPattern> pattern = readPattern(step);
  if (!pattern)
    return pattern.takeError();
  Optional<std::string> name = step.reader().string("behavior");
  if (!name)
    return name.takeError();
  auto behavior = llvm::StringSwitch<rt::SplitBehavior>(name->value_or(""))
                      .Case("Isolated", rt::SplitBehavior::Isolated)
                      .Case("Removed", rt::SplitBehavior::Removed)
                      .Case("MergedWithPrevious", rt::SplitBehavior::MergedWithPrevious)
                      .Case("MergedWithNext", rt::SplitBehavior::MergedWithNext)
                      .Case("Contiguous", rt::SplitBehavior::Contiguous)
                      .Default(none);
  if (behavior == none)
    return step.reader().bad("behavior",
                             "'Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext' or 'Contiguous'",
                             *name ? quoted(**name) : "none");
  Optional<bool> invert = step.reader().boolean("invert");
  if (!invert)
    return invert.takeError();
  std::string regex = pattern->isRegex ? pattern->text : rt::quoteRegex(pattern->text);
  return addSplit(step, "pattern", regex, behavior, invert->value_or(false), data);
}

llvm::Error byteLevel(const TokenizerStep &step, rt::TokenizerData &data) {
  Optional<bool> prefixSpace = step.reader().boolean("add_prefix_space");
  if (!prefixSpace)
    return prefixSpace.takeError();
  Optional<bool> cuts = step.reader().boolean("use_regex");
  if (!cuts)
    return cuts.takeError();
  data.model = rt::TokenizerModel::ByteLevelBpe;
  rt::SplitStep words;
  if (cuts->value_or(true))
    words = llvm::cantFail(splitAt(gpt2Words, rt::SplitBehavior::Isolated));
  words.prefixSpace = prefixSpace->value_or(true);
  if (words.prefixSpace || !words.regex.empty())
    data.splits.push_back(std::move(words));
  return llvm::Error::success();
}

llvm::Error digits(const TokenizerStep &step, rt::TokenizerData &data) {
  Optional<bool> individual = step.reader().boolean("individual_digits");
  if (!individual)
    return individual.takeError();
  auto behavior = individual->value_or(false) ? rt::SplitBehavior::Isolated : rt::SplitBehavior::Contiguous;
  return addSplit(step, "type", "\\p{N}", behavior, false, data);
}

llvm::Error preTokenizerSequence(const TokenizerStep &step, rt::TokenizerData &data);
constexpr StepKind preTokenizers[] = {
    {"ByteLevel", byteLevel}, {"Digits", digits}, {"Split", split}, {"Sequence", preTokenizerSequence}};
llvm::Error preTokenizerSequence(const TokenizerStep &step, rt::TokenizerData &data) {
  return readSteps(step, "pretokenizers", preTokenizers, data);
}

} // namespace

llvm::Error readTokenizerPipeline(const SourceFile &file, const llvm::json::Object &root, rt::TokenizerData &data) {
  data.model = rt::TokenizerModel::CharacterBpe;
  auto stage = [&](llvm::StringRef key, llvm::ArrayRef<StepKind> kinds) -> llvm::Error {
    Optional<const llvm::json::Object *> object = ConfigReader(file, root).nested(key);
    if (!object)
      return object.takeError();
    return *object ? readStep({file, ***object, (key + ".").str()}, kinds, data) : llvm::Error::success();
  };
  TRY(stage("normalizer", normalizers));
  TRY(stage("pre_tokenizer", preTokenizers));
  TRY(stage("post_processor", postProcessorKinds()));
  return stage("decoder", decoderKinds(data.model));
}

} // namespace sinter
