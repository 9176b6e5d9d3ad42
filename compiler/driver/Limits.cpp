// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/Limits.h"
#include "ir/Ops.h"
#include "templates/cuda/attention_decode_config.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

constexpr int mostCudaSeqs = cuda::AttentionDecodeConfig::mostSequences;

/// What a target's steps are sized for unless told.
struct TargetDefaults {
  int64_t maxSeqs, maxStepTokens;
  std::optional<ElementType> kvType; ///< the only one that it has kernels for; absent: any float
};

TargetDefaults defaultsOf(const Target &target) {
  if (target.cuda)
    return {256, 8192, Scalar::BF16};
  return {64, 512, std::nullopt};
}

} // namespace

llvm::Expected<Limits> limitsOf(const CompileOptions &options, const Target &target) {
  TargetDefaults defaults = defaultsOf(target);
  if (defaults.kvType && options.kvType && *options.kvType != *defaults.kvType)
    return llvm::createStringError("--kv-dtype " + options.kvType->str() + ": " + target.name + " stores " +
                                   defaults.kvType->str());
  if (target.cuda && options.maxSeqs > mostCudaSeqs)
    return llvm::createStringError(llvm::formatv("--max-seqs {0}: a step of {1} has at most {2} sequences",
                                                 options.maxSeqs, target.name, mostCudaSeqs)
                                       .str());
  if (target.cuda && !options.quantizeActivations)
    return llvm::createStringError("--activations f32: expected a cpu target, found " + target.name);
  if (target.cuda && options.verify)
    return llvm::createStringError("--verify: expected a cpu target, found " + target.name);
  if (options.verify && options.randomWeights)
    return llvm::createStringError("--verify: expected weights that the interpreter can read, found --weights random");
  if (!target.cuda && options.portableKernels)
    return llvm::createStringError("--kernels=portable: expected a cuda target, found " + target.name);
  Limits limits;
  limits.maxSeqs = options.maxSeqs ? options.maxSeqs : defaults.maxSeqs;
  limits.maxStepTokens = options.maxStepTokens ? options.maxStepTokens : defaults.maxStepTokens;
  limits.maxStepLogits = std::max<int64_t>(limits.maxSeqs, 64);
  limits.kvType = options.kvType ? options.kvType : defaults.kvType;
  return limits;
}

llvm::Expected<int64_t> maxPositions(const CompileOptions &options, int64_t modelPositions,
                                     llvm::StringRef configOrigin) {
  if (options.maxSeqLen > modelPositions)
    return llvm::createStringError(llvm::formatv("--max-seq-len {0}: {1} has max_position_embeddings = {2}",
                                                 options.maxSeqLen, configOrigin, modelPositions)
                                       .str());
  return options.maxSeqLen ? options.maxSeqLen : std::min<int64_t>(modelPositions, 32768);
}

ElementType modelKvType(const Graph &step, bool quantizeActivations) {
  for (auto &op : step.ops())
    if (auto *attention = llvm::dyn_cast<Attention>(op.get())) {
      ElementType activations = attention->q.type().element;
      auto *linear = attention->v.definedBy<Linear>();
      if (activations != ElementType(Scalar::F32) || !linear)
        return activations;
      ElementType weight = linear->weights[0].type.element;
      if (weight.isQuantized())
        return quantizeActivations ? Scalar::BF16 : Scalar::F32;
      return weight;
    }
  return Scalar::F32;
}

} // namespace sinter
