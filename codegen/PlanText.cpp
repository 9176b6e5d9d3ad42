// SPDX-License-Identifier: Apache-2.0
#include "codegen/PlanText.h"
#include "ir/AttrValue.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

namespace sinter {

namespace {

llvm::StringRef nameOf(rt::WeightFill fill) {
  switch (fill) {
  case rt::WeightFill::Stored:
    return "Stored";
  case rt::WeightFill::Uniform:
    return "Uniform";
  case rt::WeightFill::Ones:
    return "Ones";
  }
  llvm_unreachable("a fill without a name");
}

llvm::StringRef nameOf(rt::WeightElement element) {
  switch (element) {
  case rt::WeightElement::F32:
    return "F32";
  case rt::WeightElement::F16:
    return "F16";
  case rt::WeightElement::BF16:
    return "BF16";
  }
  llvm_unreachable("an element without a name");
}

void emitRegions(llvm::ArrayRef<rt::WeightRegion> regions, llvm::raw_ostream &os) {
  os << "static constexpr WeightRegion weightRegions[] = {\n";
  for (const rt::WeightRegion &r : regions)
    os << llvm::formatv("    {{{0}, {1}, WeightFill::{2}, WeightElement::{3}, {4}},\n", r.offset, r.size,
                        nameOf(r.fill), nameOf(r.element), r.source);
  os << "};\n\n";
}

} // namespace

std::string cppString(llvm::StringRef text) {
  std::string literal = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      literal += '\\';
    literal += c;
  }
  return literal + '"';
}

std::string cppNumber(double v) { return AttrValue(v).str(); }

void emitPlan(const StepPlan &plan, const Target &target, const PlanFacts &facts, llvm::StringRef scratchBytes,
              llvm::StringRef lists, llvm::raw_ostream &os) {
  if (!facts.weightRegions.empty())
    emitRegions(facts.weightRegions, os);
  os << "extern \"C\" const Plan sinterPlan = {\n";
  auto field = [&](llvm::StringRef name, const llvm::Twine &value) {
    os << "    ." << name << " = " << value << ",\n";
  };
  field("model", cppString(facts.model));
  field("target", cppString(target.name));
  field("cpuFeatures", cppString(target.cpuFeatures));
  field("vocabSize", llvm::Twine(plan.vocabSize));
  field("numLayers", llvm::Twine(plan.numLayers));
  field("hiddenSize", llvm::Twine(plan.hiddenSize));
  field("maxSeqLen", llvm::Twine(facts.maxSeqLen));
  field("maxStepTokens", llvm::Twine(facts.maxStepTokens));
  field("maxSeqs", llvm::Twine(facts.maxSeqs));
  field("maxStepLogits", llvm::Twine(facts.maxStepLogits));
  field("kvBlockTokens", llvm::Twine(plan.kvBlockTokens));
  field("kvBlockBytes", llvm::Twine(plan.kvBlockBytes));
  field("arenaBytes", llvm::Twine(plan.arenaBytes));
  field("scratchBytes", scratchBytes);
  field("weightsBytes", llvm::Twine(plan.weights.bytes()));
  if (!facts.weightRegions.empty()) {
    field("weightRegions", "weightRegions");
    field("numWeightRegions", llvm::Twine(facts.weightRegions.size()));
    field("weightSeed", llvm::Twine(facts.weightSeed) + "ull");
  }
  os << lists << "};\n";
}

} // namespace sinter
