// SPDX-License-Identifier: Apache-2.0
// The compiled model that this executable is: its plan and its payload, each part opened when it is first needed.
#pragma once
#include "runtime/abi/Plan.h"
#include "runtime/cli/ModelInfo.h"
#include "runtime/device/Profiler.h"
#include "runtime/support/Payload.h"
#include "runtime/text/Tokenizer.h"
#include <optional>

namespace sinter::rt {

/// Flags of every command that computes.
struct DeviceFlags {
  int threads = 0;      ///< 0: availableCores()
  uint64_t kvBytes = 0; ///< 0: the executor's default
  bool mapWeights = false;
  std::optional<int> gpu; ///< unset: the first; like checkKernels an error on a CPU
  bool checkKernels = false;

  int numThreads() const;
};

class Model {
public:
  /// `payload` is of the executable itself, or of a file that stands for it.
  static Result<Model> open(const Plan &plan, Result<Payload> payload);

  const Plan &plan() const { return *planOfModel; }
  const Payload &payload() const { return file; }
  const ModelInfo &info() const { return infoOfModel; }

  bool hasTokenizer() const { return file.find("tokenizer") != nullptr; }
  /// The tokenizer, loaded by the first call; an error that names --token-ids for a model without one.
  Result<const Tokenizer *> tokenizer();

  /// Of the plan's target: checks the machine and loads the weights.
  Result<std::unique_ptr<Executor>> makeExecutor(const DeviceFlags &flags);
  /// Of an executor that makeExecutor() made, and that outlives it.
  std::unique_ptr<Profiler> makeProfiler(Executor &executor) const;

  /// Where the weights are: this payload, or the file that the info names, found beside it.
  Result<const Payload *> weights();

private:
  Result<std::unique_ptr<Executor>> makeCpuExecutor(const DeviceFlags &flags, const Payload &weights);
  Result<std::unique_ptr<Executor>> makeCudaExecutor(const DeviceFlags &flags, const Payload &weights);

  const Plan *planOfModel = nullptr;
  Payload file;
  std::optional<Payload> weightsFile;
  ModelInfo infoOfModel;
  Mapping tokenizerBytes;
  std::optional<Tokenizer> loadedTokenizer;
};

} // namespace sinter::rt
