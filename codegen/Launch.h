// SPDX-License-Identifier: Apache-2.0
// What instruction selection gives: for every op the templates that serve it, their configs as text, and the buffers
// they are called with. Emitters turn launches into files.
#pragma once
#include "codegen/WeightTable.h"

namespace sinter {

/// The initialiser of a config struct: ".hidden = 576, .eps = 1e-05f".
class ConfigText {
public:
  ConfigText &field(llvm::StringRef name, int64_t v);
  ConfigText &field(llvm::StringRef name, double v); ///< as a float literal
  ConfigText &field(llvm::StringRef name, bool v);
  ConfigText &code(llvm::StringRef name, llvm::StringRef v); ///< an enumerator or a nested initialiser
  llvm::StringRef str() const { return text; }

private:
  std::string text;
};

/// One call of a kernel template: linear<LinearConfig{.k = 576, ...}>.
struct TemplateCall {
  llvm::StringRef header;   ///< "templates/cpu/linear.h"
  llvm::StringRef function; ///< "linear"
  llvm::StringRef config;   ///< "LinearConfig"
  ConfigText fields;
};

struct Buffer {
  enum class Kind { Weight, Value, KvLayer, Logits };
  Kind kind;
  uint64_t offset; ///< bytes into the weights or the arena; the layer
};

/// One launch of a step: a kernel of one or more calls, its buffers, what it costs.
struct KernelLaunch {
  const Op *op;
  std::vector<TemplateCall> calls;
  std::vector<Buffer> buffers;
  double weightBytes = 0;   ///< read once a step
  double flopsPerToken = 0; ///< multiply-adds count two
};

/// What codegen knows of a compiled step, whatever the target.
struct StepPlan {
  WeightTable weights;
  uint64_t arenaBytes = 0;
  uint64_t kvBlockBytes = 0; ///< K and V of a block, one layer
  int64_t kvBlockTokens = 0;
  int64_t vocabSize = 0, numLayers = 0, hiddenSize = 0;
};

/// Of the CPU target: one list of launches.
struct LaunchPlan : StepPlan {
  std::vector<KernelLaunch> launches;
};

} // namespace sinter
