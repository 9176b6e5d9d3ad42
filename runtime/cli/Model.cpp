// SPDX-License-Identifier: Apache-2.0
// Opening the parts of a compiled model.
#include "runtime/cli/Model.h"
#include "runtime/device/CpuProfiler.h"
#include "runtime/device/CpuTopology.h"
#include "runtime/device/cuda/CudaProfiler.h"
#include <filesystem>

namespace sinter::rt {

Result<Model> Model::open(const Plan &plan, Result<Payload> payload) {
  if (!payload)
    return tl::unexpected(payload.error());
  Model model;
  model.planOfModel = &plan;
  model.file = std::move(*payload);
  const PayloadSection *section = model.file.find("info");
  if (!section)
    return fail(model.file.path() + ": the payload has no section 'info'");
  Result<Mapping> bytes = model.file.map(*section);
  if (!bytes)
    return tl::unexpected(bytes.error());
  std::string_view text(reinterpret_cast<const char *>(bytes->bytes().data()), bytes->bytes().size());
  Result<ModelInfo> info = parseModelInfo(text, model.file.path());
  if (!info)
    return tl::unexpected(info.error());
  model.infoOfModel = std::move(*info);
  return model;
}

Result<const Tokenizer *> Model::tokenizer() {
  if (loadedTokenizer)
    return &*loadedTokenizer;
  const PayloadSection *section = file.find("tokenizer");
  if (!section)
    return fail(infoOfModel.model + " was compiled without a tokenizer: it takes --token-ids and gives token ids");
  Result<Mapping> bytes = file.map(*section);
  if (!bytes)
    return tl::unexpected(bytes.error());
  tokenizerBytes = std::move(*bytes);
  const auto *data = reinterpret_cast<const uint8_t *>(tokenizerBytes.bytes().data());
  Result<Tokenizer> tokenizer = Tokenizer::load({data, tokenizerBytes.bytes().size()});
  if (!tokenizer)
    return fail(file.path() + ": section 'tokenizer': " + tokenizer.error().message);
  loadedTokenizer.emplace(std::move(*tokenizer));
  return &*loadedTokenizer;
}

Result<const Payload *> Model::weights() {
  if (infoOfModel.weightsFile.empty())
    return &file;
  std::string path = std::filesystem::path(file.path()).parent_path() / infoOfModel.weightsFile;
  Result<Payload> opened = Payload::open(path);
  if (!opened)
    return tl::unexpected(opened.error());
  const PayloadSection *section = opened->find("weights");
  if (section && section->checksum != infoOfModel.weightsChecksum)
    return fail(path + ": holds the weights of another model than " + file.path());
  weightsFile.emplace(std::move(*opened));
  return &*weightsFile;
}

int DeviceFlags::numThreads() const { return threads > 0 ? threads : availableCores(); }

Result<std::unique_ptr<Executor>> Model::makeExecutor(const DeviceFlags &flags) {
  if (!planOfModel->cuda && (flags.gpu || flags.checkKernels))
    return fail(std::string(flags.gpu ? "--gpu" : "--check-kernels") + " is for models of a GPU, this one is for " +
                planOfModel->target);
  // The machine first: an error about it is worth more than one about the weights.
  if (Result<void> checked = checkMachine(*planOfModel); !checked)
    return tl::unexpected(checked.error());
  Result<const Payload *> source = weights();
  if (!source)
    return tl::unexpected(source.error());
  return planOfModel->cuda ? makeCudaExecutor(flags, **source) : makeCpuExecutor(flags, **source);
}

Result<std::unique_ptr<Executor>> Model::makeCpuExecutor(const DeviceFlags &flags, const Payload &source) {
  const Plan &plan = *planOfModel;
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(flags.numThreads(), plan.scratchBytes);
  if (!pool)
    return tl::unexpected(pool.error());
  Result<Weights> loaded = Weights::load(plan, source, **pool, flags.mapWeights);
  if (!loaded)
    return tl::unexpected(loaded.error());
  return CpuExecutor::create(plan, std::move(*pool), std::move(*loaded), {.kvBytes = flags.kvBytes});
}

Result<std::unique_ptr<Executor>> Model::makeCudaExecutor(const DeviceFlags &flags, const Payload &source) {
  CudaExecutorOptions options;
  options.kvBytes = flags.kvBytes;
  options.gpu = flags.gpu.value_or(0);
  options.threads = flags.numThreads();
  options.checkWeights = !flags.mapWeights;
  options.checkLaunches = flags.checkKernels;
  return CudaExecutor::create(*planOfModel, file, source, options);
}

std::unique_ptr<Profiler> Model::makeProfiler(Executor &executor) const {
  if (planOfModel->cuda)
    return std::make_unique<CudaProfiler>(static_cast<CudaExecutor &>(executor));
  return std::make_unique<CpuProfiler>(static_cast<CpuExecutor &>(executor));
}

} // namespace sinter::rt
