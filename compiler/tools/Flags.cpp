// SPDX-License-Identifier: Apache-2.0
#include "compiler/tools/Flags.h"
#include "ir/Try.h"

namespace sinter {

namespace cl = llvm::cl;

ModelFlags::ModelFlags(cl::SubCommand &command)
    : target("target", cl::desc("cpu (this machine), cpu:x86-64-v3, cpu:x86-64-v4, cuda:sm_90a and other GPUs"),
             cl::init(defaults.target), cl::sub(command)),
      kernels("kernels", cl::desc("Of a GPU: native, or portable: only what every architecture has"),
              cl::init("native"), cl::sub(command)),
      kvDtype("kv-dtype", cl::desc("How keys and values are stored: f32, bf16 or f16"), cl::sub(command)),
      activations("activations", cl::desc("What quantized weights multiply: i8 (fast) or f32 (exact)"), cl::init("i8"),
                  cl::sub(command)),
      weights("weights",
              cl::desc("embedded in the executable, external: in FILE.weights, or random[:SEED]: made at load, MODEL "
                       "is a config.json"),
              cl::init("embedded"), cl::sub(command)),
      maxSeqs("max-seqs", cl::desc("Sequences in a step at most (default: 64, of a GPU 256)"), cl::value_desc("n"),
              cl::sub(command)),
      maxSeqLen("max-seq-len", cl::desc("Tokens of a sequence at most (default: the model's, up to 32768)"),
                cl::value_desc("n"), cl::sub(command)),
      maxStepTokens("max-step-tokens", cl::desc("Tokens of a step at most (default: 512, of a GPU 8192)"),
                    cl::value_desc("n"), cl::sub(command)) {}

llvm::Error ModelFlags::read(CompileOptions &o) const {
  o.target = target;
  if (kernels != "native" && kernels != "portable")
    return bad("--kernels " + kernels + ": expected native or portable");
  o.portableKernels = kernels == "portable";
  TRY(readNumber(maxSeqs, 1, 4096, o.maxSeqs));
  TRY(readNumber(maxStepTokens, 1, 65536, o.maxStepTokens));
  TRY(readNumber(maxSeqLen, 1, 1 << 24, o.maxSeqLen));
  if (!kvDtype.empty()) {
    auto element = parseElementType(kvDtype);
    if (!element || !element->isFloat()) {
      llvm::consumeError(element.takeError());
      return bad("--kv-dtype " + kvDtype + ": expected f32, bf16 or f16");
    }
    o.kvType = *element;
  }
  if (activations != "i8" && activations != "f32")
    return bad("--activations " + activations + ": expected i8 or f32");
  o.quantizeActivations = activations == "i8";
  return readWeights(o);
}

llvm::Error ModelFlags::readWeights(CompileOptions &o) const {
  auto [kind, seed] = llvm::StringRef(weights).split(':');
  bool hasSeed = kind.size() < weights.size();
  if (kind == "random") {
    uint64_t number = 0;
    if (hasSeed && seed.getAsInteger(10, number))
      return bad("--weights " + weights + ": expected a seed from 0 to 2^64 - 1, found '" + seed + "'");
    o.randomWeights = number;
    return llvm::Error::success();
  }
  if (weights != "embedded" && weights != "external")
    return bad("--weights " + weights + ": expected embedded, external or random");
  o.externalWeights = weights == "external";
  return llvm::Error::success();
}

} // namespace sinter
