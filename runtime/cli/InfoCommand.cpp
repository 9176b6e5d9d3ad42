// SPDX-License-Identifier: Apache-2.0
// info: what this executable is, what it needs, how it was built.
#include "runtime/cli/Command.h"
#include "runtime/device/cuda/CudaMemoryPlan.h"
#include "runtime/support/Format.h"
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <span>

namespace sinter::rt {
namespace {

namespace json = boost::json;

struct InfoFlags {
  bool asJson = false, verify = false;
};

/// Bytes that the process takes at most, by use: of its own memory, or of the GPU's.
json::object memoryOf(const Plan &plan) {
  json::object memory{{"weights", plan.weightsBytes}, {"activations", plan.arenaBytes}};
  if (plan.cuda) {
    CudaMemoryPlan sizes(plan, 0, 0);
    memory["logits"] = sizes.logits;
    memory["workspace"] = sizes.workspace + sizes.counters + sizes.exchange;
  } else {
    memory["logits"] =
        static_cast<uint64_t>(plan.maxStepLogits) * static_cast<uint64_t>(plan.vocabSize) * sizeof(float);
    memory["scratch_per_thread"] = plan.scratchBytes;
  }
  uint64_t blockBytes = plan.kvBlockBytes * static_cast<uint64_t>(plan.numLayers);
  memory["kv_per_token"] = blockBytes / static_cast<uint64_t>(plan.kvBlockTokens);
  memory["kv_per_full_sequence"] = blockBytes * static_cast<uint64_t>(plan.maxSeqBlocks());
  return memory;
}

json::array arrayOf(const CudaLaunchList *lists, int32_t count) {
  json::array array;
  for (const CudaLaunchList &list : std::span(lists, static_cast<size_t>(count)))
    array.push_back({{"max_rows", list.maxRows}, {"launches", list.numLaunches}});
  return array;
}

/// Kernels as ptxas made them, and the lists that launch them.
json::object cudaOf(const CudaPlan &plan) {
  json::array kernels;
  for (const CudaKernel &kernel : std::span(plan.kernels, static_cast<size_t>(plan.numKernels)))
    kernels.push_back({{"name", kernel.name},
                       {"threads", kernel.threads},
                       {"cluster", kernel.cluster},
                       {"registers", kernel.registers},
                       {"shared_bytes", kernel.staticShared + kernel.dynamicShared},
                       {"spill_bytes", kernel.spillBytes}});
  return {{"architecture", plan.architecture},
          {"resident", arrayOf(plan.resident, plan.numResident)},
          {"decode", arrayOf(plan.decode, plan.numDecode)},
          {"mixed", arrayOf(plan.mixed, plan.numMixed)},
          {"heads", arrayOf(plan.heads, plan.numHeads)},
          {"dense_heads", arrayOf(plan.denseHeads, plan.numDenseHeads)},
          {"kernels", std::move(kernels)}};
}

json::object limitsOf(const Plan &plan) {
  return {{"vocab_size", plan.vocabSize},          {"layers", plan.numLayers},
          {"hidden_size", plan.hiddenSize},        {"max_seq_len", plan.maxSeqLen},
          {"max_step_tokens", plan.maxStepTokens}, {"max_seqs", plan.maxSeqs},
          {"max_step_logits", plan.maxStepLogits}, {"kv_block_tokens", plan.kvBlockTokens}};
}

json::array bucketsOf(const Plan &plan) {
  json::array buckets;
  for (int32_t i = 0; i < plan.numBuckets; ++i)
    buckets.push_back({{"max_tokens", plan.buckets[i].maxTokens}, {"launches", plan.buckets[i].numLaunches}});
  return buckets;
}

/// What the plan says, with what only its target has.
json::object planOf(const Plan &plan) {
  json::object object{{"target", plan.target}, {"limits", limitsOf(plan)}, {"memory", memoryOf(plan)}};
  if (plan.cuda) {
    object["cuda"] = cudaOf(*plan.cuda);
  } else {
    object["cpu_features"] = plan.cpuFeatures;
    object["limits"].as_object()["buckets"] = bucketsOf(plan);
  }
  return object;
}

json::array sectionsOf(const Payload &payload) {
  json::array sections;
  for (const PayloadSection &section : payload.sections())
    sections.push_back({{"name", section.name}, {"offset", section.offset}, {"size", section.size}});
  return sections;
}

/// All there is: the compiler's info, the plan's limits, the payload's table.
json::object describe(const Model &model) {
  json::object info = json::parse(model.info().json).as_object();
  info["plan"] = planOf(model.plan());
  info["payload"] = {{"path", model.payload().path()},
                     {"size", model.payload().fileSize()},
                     {"sections", sectionsOf(model.payload())}};
  return info;
}

std::string asText(const json::value &value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

enum class Numbers { Plain, Counts, Bytes };

std::string asText(const json::value &value, Numbers numbers) {
  bool whole = value.is_uint64() || (value.is_int64() && value.get_int64() >= 0);
  if (!whole || numbers == Numbers::Plain)
    return asText(value);
  uint64_t number = value.to_number<uint64_t>();
  return numbers == Numbers::Bytes ? formatBytes(number) : formatCount(number);
}

void printMembers(std::ostream &out, const json::object &object, Numbers numbers) {
  for (const auto &[key, value] : object) {
    std::string name(key);
    std::replace(name.begin(), name.end(), '_', ' ');
    out << "  " << std::left << std::setw(22) << name << asText(value, numbers) << '\n';
  }
}

void printGeneral(std::ostream &out, const Model &model) {
  const ModelInfo &info = model.info();
  out << info.model << '\n';
  json::object general{{"architecture", info.architecture}, {"target", model.plan().target}};
  if (const CudaPlan *cuda = model.plan().cuda)
    general["kernels"] = std::to_string(cuda->numKernels) + " for " + cuda->architecture;
  else
    general["cpu features"] = model.plan().cpuFeatures;
  if (info.parameters)
    general["parameters"] = formatCount(info.parameters);
  general["tokenizer"] = model.hasTokenizer() ? "yes" : "no, it takes and gives token ids";
  if (!info.chatTemplate.empty())
    general["chat template"] = info.chatTemplate;
  general["compiler"] = info.compiler;
  printMembers(out, general, Numbers::Plain);
}

void print(std::ostream &out, const Model &model) {
  printGeneral(out, model);
  json::object all = describe(model);
  const struct {
    const char *title, *key;
    Numbers numbers;
  } parts[] = {{"quantization", "quantization", Numbers::Counts},
               {"generation defaults", "generation", Numbers::Plain},
               {"build", "build", Numbers::Plain}};
  for (auto [title, key, numbers] : parts)
    if (const json::value *part = all.if_contains(key); part && part->is_object()) {
      out << title << '\n';
      printMembers(out, part->get_object(), numbers);
    }
  out << "limits\n";
  printMembers(out, limitsOf(model.plan()), Numbers::Plain);
  out << (model.plan().cuda ? "memory of the GPU\n" : "memory\n");
  printMembers(out, memoryOf(model.plan()), Numbers::Bytes);
  out << "payload of " << model.payload().path() << ", " << formatBytes(model.payload().fileSize()) << '\n';
  for (const PayloadSection &section : model.payload().sections())
    out << "  " << std::left << std::setw(22) << section.name << formatBytes(section.size) << '\n';
}

Result<void> verifyAll(Model &model) {
  Result<const Payload *> weights = model.weights();
  if (!weights)
    return tl::unexpected(weights.error());
  std::vector<const Payload *> payloads = {&model.payload()};
  if (*weights != payloads[0])
    payloads.push_back(*weights);
  for (const Payload *payload : payloads)
    for (const PayloadSection &section : payload->sections())
      if (Result<void> good = payload->verify(section); !good)
        return good;
  return {};
}

Result<int> showInfo(const InfoFlags &flags, Model &model, Console &console) {
  if (flags.verify)
    if (Result<void> verified = verifyAll(model); !verified)
      return tl::unexpected(verified.error());
  if (flags.asJson)
    console.out << json::serialize(describe(model)) << '\n';
  else
    print(console.out, model);
  if (flags.verify && !flags.asJson)
    console.out << "every checksum is right\n";
  return exitOk;
}

} // namespace

void addInfoCommand(CLI::App &app, Action &chosen) {
  auto flags = std::make_shared<InfoFlags>();
  CLI::App *command = app.add_subcommand("info", "Show the model, its target, quantization, memory and build");
  command->add_flag("--json", flags->asJson, "All of it, as one JSON object");
  command->add_flag("--verify", flags->verify, "Compare the checksums of everything in the payload");
  command->callback([flags, &chosen] {
    chosen = [flags](Model &model, Console &console) { return showInfo(*flags, model, console); };
  });
}

} // namespace sinter::rt
