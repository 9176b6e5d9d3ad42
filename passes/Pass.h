// SPDX-License-Identifier: Apache-2.0
// A pass is a free function over a module or one of its graphs, declared once in Passes.def. A pipeline is one string:
// "fuse-qkv,fuse-swiglu,dce". Between passes: verify, time, print what changed, check the meaning.
#pragma once
#include "ir/Graph.h"
#include <functional>

namespace sinter {

/// What passes may know beyond the graph.
struct PassOptions {
  ElementType kvType = Scalar::F32; ///< how the KV cache stores keys and values
  bool quantizeActivations = true;  ///< integer matmuls for quantized weights; false: exact, on floats
  std::string target = "cpu";       ///< whose kernels select-kernels knows: "cpu" or "cuda", more may follow a colon
  int64_t maxStepTokens = 512;      ///< T at most: what plan-memory makes room for
  int64_t maxStepLogits = 64;       ///< S at most

  llvm::StringRef targetKind() const { return llvm::StringRef(target).split(':').first; }
  bool isCpu() const { return targetKind() == "cpu"; }
  bool isCuda() const { return targetKind() == "cuda"; }
};

#define GRAPH_PASS(NAME, FUNCTION, SUMMARY) void FUNCTION(Graph &graph, const PassOptions &options);
#include "passes/Passes.def"

struct PassInfo {
  llvm::StringRef name, summary;
  void (*run)(Graph &, const PassOptions &);
};
/// All passes, in the order of Passes.def.
llvm::ArrayRef<PassInfo> allPasses();

using Pipeline = std::vector<const PassInfo *>;
/// "a,b,c" to passes; an unknown name is an error that says what there is.
llvm::Expected<Pipeline> parsePipeline(llvm::StringRef text);
/// The pipelines of `sinter compile`: of the CPU target, and of the CUDA target, whose matmuls take norms in.
inline constexpr llvm::StringLiteral defaultPipeline =
    "fuse-qkv,hoist-rope-tables,lower-paged-attention,fuse-rms-norm,fuse-swiglu,fuse-epilogues,canonicalize,"
    "quantize-activations,cse,dce,select-kernels,plan-memory";
inline constexpr llvm::StringLiteral defaultCudaPipeline =
    "use-bf16,fuse-qkv,hoist-rope-tables,lower-paged-attention,fuse-swiglu,fuse-epilogues,canonicalize,fuse-norms,"
    "fuse-attention,cse,dce,select-kernels,plan-memory";
inline llvm::StringRef defaultPipelineFor(const PassOptions &options) {
  return options.isCuda() ? llvm::StringRef(defaultCudaPipeline) : llvm::StringRef(defaultPipeline);
}

struct RunOptions {
  bool printBeforeAll = false, printAfterAll = false;
  std::vector<std::string> printBefore, printAfter; ///< names of passes
  bool timePasses = false;
  bool checkSemantics = false;
  PrintOptions print;
  std::string dumpDir; ///< "NN-pass.sir" after every pass that changed something; empty: none
};

/// Runs the passes in order over every graph of the module. IR dumps go to `os`.
llvm::Error runPipeline(Module &module, const Pipeline &pipeline, const PassOptions &options, const RunOptions &run,
                        llvm::raw_ostream &os);

/// Runs both modules' graphs on random inputs and compares what they return. An error names `pass`, the first value of
/// the same name that differs, the op that computed it, and by how much.
llvm::Error checkSemantics(const Module &before, const Module &after, llvm::StringRef pass);

} // namespace sinter
