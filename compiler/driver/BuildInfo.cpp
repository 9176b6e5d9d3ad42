// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/BuildInfo.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <map>

namespace sinter {

namespace {

using llvm::json::Object;

Object generationInfo(const GenerationDefaults &g) {
  Object generation{{"eos_token_ids", llvm::json::Array(g.eosTokenIds)}};
  auto set = [&](llvm::StringRef key, const auto &v) {
    if (v)
      generation[key] = *v;
  };
  set("bos_token_id", g.bosTokenId);
  set("pad_token_id", g.padTokenId);
  set("temperature", g.temperature);
  set("top_p", g.topP);
  set("top_k", g.topK);
  return generation;
}

uint64_t kvBytesPerToken(const StepPlan &plan) { return plan.kvBlockBytes * plan.numLayers / plan.kvBlockTokens; }

std::string mib(uint64_t bytes) { return llvm::formatv("{0:f1}", double(bytes) / (1 << 20)).str(); }

} // namespace

Object buildInfo(const BuildFacts &facts, Object build) {
  std::map<std::string, int64_t> elementsOfType;
  int64_t parameters = 0;
  for (auto &w : facts.module->weights()) {
    parameters += w->type.numElements();
    elementsOfType[w->type.element.str()] += w->type.numElements();
  }
  Object quantization;
  for (auto &[type, count] : elementsOfType)
    quantization[type] = count;
  const StepPlan &plan = *facts.plan;
  return Object{{"model", facts.checkpoint->name},
                {"architecture", llvm::sys::path::stem(facts.description).str()},
                {"target", facts.target->name},
                {"quantization", std::move(quantization)},
                {"parameters", parameters},
                {"memory", Object{{"weights", plan.weights.bytes()},
                                  {"arena", plan.arenaBytes},
                                  {"kv_bytes_per_token", kvBytesPerToken(plan)},
                                  {"kv_bytes_per_sequence", kvBytesPerToken(plan) * facts.module->maxSeqLen}}},
                {"generation", generationInfo(facts.checkpoint->generation)},
                {"compiler", "sinter " SINTER_VERSION},
                {"build", std::move(build)}};
}

void printReport(llvm::raw_ostream &os, llvm::StringRef output, const BuildFacts &facts, const BuildCounts &counts,
                 const ExecutableSizes &sizes) {
  const StepPlan &plan = *facts.plan;
  int64_t maxSeqLen = facts.module->maxSeqLen;
  std::string random = facts.checkpoint->weightType
                           ? " and " + mib(plan.weights.bytes() - sizes.weights) + " MiB of random ones made at load"
                           : "";
  os << llvm::formatv("{0}: {1} for {2}\n", output, facts.checkpoint->name, facts.target->name)
     << llvm::formatv("  {0} kernels in {1} launches, {2} of {3} objects from the cache, {4:f1} s\n", counts.kernels,
                      counts.launches, counts.fromCache, counts.files, counts.seconds)
     << llvm::formatv("  {0} MiB: code {1} MiB, weights {2} MiB{3}\n", mib(sizes.file), mib(sizes.code),
                      mib(sizes.weights), random)
     << llvm::formatv("  memory: activations {0} MiB, KV cache {1} KiB a token, {2} MiB for {3} tokens\n",
                      mib(plan.arenaBytes), kvBytesPerToken(plan) / 1024, mib(kvBytesPerToken(plan) * maxSeqLen),
                      maxSeqLen);
}

} // namespace sinter
