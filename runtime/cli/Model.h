// SPDX-License-Identifier: Apache-2.0
// The compiled model that this executable is: its plan and its payload, each part opened when it is first needed.
#pragma once
#include "runtime/cli/ModelInfo.h"
#include "runtime/device/CpuExecutor.h"
#include "runtime/support/Payload.h"
#include "runtime/text/Tokenizer.h"
#include <optional>

namespace sinter::rt {

/// Flags of every command that computes.
struct DeviceFlags {
  int threads = 0;      ///< 0: availableCores()
  uint64_t kvBytes = 0; ///< 0: CpuExecutorOptions' default
  bool mapWeights = false;
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

  /// Checks the machine, starts the threads and loads the weights.
  Result<std::unique_ptr<CpuExecutor>> makeExecutor(const DeviceFlags &flags);

  /// Where the weights are: this payload, or the file that the info names, found beside it.
  Result<const Payload *> weights();

private:
  const Plan *planOfModel = nullptr;
  Payload file;
  std::optional<Payload> weightsFile;
  ModelInfo infoOfModel;
  Mapping tokenizerBytes;
  std::optional<Tokenizer> loadedTokenizer;
};

} // namespace sinter::rt
