// SPDX-License-Identifier: Apache-2.0
// Shared flags: their names, their help, and how they become requests.
#include "runtime/cli/Flags.h"
#include "runtime/cli/TextDecoder.h"
#include "runtime/support/Format.h"
#include "runtime/text/ChatTemplate.h"
#include <CLI/CLI.hpp>
#include <charconv>
#include <random>

namespace sinter::rt {
namespace {

Result<LogitBias> parseLogitBias(const std::string &text) {
  LogitBias bias{};
  const char *end = text.data() + text.size();
  auto id = std::from_chars(text.data(), end, bias.token);
  if (id.ec == std::errc() && id.ptr != end && *id.ptr == ':') {
    auto value = std::from_chars(id.ptr + 1, end, bias.bias);
    if (value.ec == std::errc() && value.ptr == end)
      return bias;
  }
  return fail("--logit-bias " + text + ": expected ID:BIAS, a token id and a number");
}

} // namespace

void addDeviceFlags(CLI::App &command, DeviceFlags &flags) {
  command
      .add_option("-t,--threads", flags.threads,
                  "Threads to compute with, or to load a GPU's weights with; default: the physical cores available")
      ->check(CLI::Range(1, 1024))
      ->option_text("N");
  auto parseKv = [&flags](const std::string &text) {
    if (!parseBytes(text, flags.kvBytes) || flags.kvBytes == 0)
      throw CLI::ValidationError("--kv-memory", "expected a size such as 512MiB, found '" + text + "'");
  };
  command
      .add_option_function<std::string>("--kv-memory", parseKv,
                                        "Memory for keys and values; default: one sequence of full length, or 512MiB "
                                        "where that is more, taken only as it is used; on a GPU nine tenths of what is "
                                        "free")
      ->option_text("SIZE");
  command.add_flag("--mmap", flags.mapWeights,
                   "Use the weights where they lie in the page cache: starts faster, may run slower, not checked; for "
                   "a GPU only the last");
  command.add_option("--gpu", flags.gpu, "Which GPU to use; of a model for GPUs")
      ->check(CLI::Range(0, INT32_MAX))
      ->option_text("N [0]");
  command.add_flag("--check-kernels", flags.checkKernels,
                   "Wait for every kernel and name the one that fails, slow; of a model for GPUs");
}

void addGenerationFlags(CLI::App &command, GenerationFlags &flags) {
  command.add_option("--max-tokens", flags.maxTokens, "Tokens of an answer at most")
      ->check(CLI::Range(0, INT32_MAX))
      ->option_text("N [512]");
  command.add_option("--temperature", flags.temperature, "0 takes the most likely token; default: the model's own")
      ->option_text("T");
  command.add_option("--top-k", flags.topK, "Draw from the K most likely tokens; 0 is off")->option_text("K");
  command.add_option("--top-p", flags.topP, "Draw from the most likely tokens that have this mass; 1 is off")
      ->option_text("P");
  command.add_option("--min-p", flags.minP, "Draw from tokens at least P times as likely as the most likely; 0 is off")
      ->option_text("P");
  command
      .add_option("--repetition-penalty", flags.repetitionPenalty,
                  "Divide the logits of tokens seen by this (multiply negative ones); 1 is off")
      ->option_text("X");
  command.add_option("--presence-penalty", flags.presencePenalty, "Subtract from the logits of tokens of the answer")
      ->option_text("X");
  command.add_option("--frequency-penalty", flags.frequencyPenalty, "Subtract as often as they occurred")
      ->option_text("X");
  command.add_option("--logit-bias", flags.logitBias, "Add BIAS to the logit of token ID; may be repeated")
      ->option_text("ID:BIAS")
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--seed", flags.seed, "Equal seeds give equal answers")->option_text("N");
  command.add_flag("--ignore-eos", flags.ignoreEos, "Go on after the end-of-text token");
  command.add_option("--stop", flags.stopStrings, "End the answer before this string; may be repeated")
      ->option_text("STR")
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--system", flags.system, "The system message of the chat")->option_text("TEXT");
  std::string names;
  for (std::string_view name : ChatTemplate::names())
    names.append(names.empty() ? "" : ", ").append(name);
  command.add_option("--chat-template", flags.chatTemplate, "Format of the chat in place of the model's own: " + names)
      ->option_text("NAME");
}

EngineOptions engineOptions(const Model &model) {
  EngineOptions options;
  options.eosTokens = model.info().generation.eosTokens;
  options.seed = std::random_device()();
  return options;
}

Result<SamplingParams> samplingParams(const GenerationFlags &flags, const Model &model) {
  const GenerationInfo &defaults = model.info().generation;
  SamplingParams params;
  params.temperature = flags.temperature.value_or(static_cast<float>(defaults.temperature.value_or(0)));
  params.topK = flags.topK.value_or(defaults.topK.value_or(0));
  params.topP = flags.topP.value_or(static_cast<float>(defaults.topP.value_or(1)));
  params.minP = flags.minP;
  params.repetitionPenalty = flags.repetitionPenalty;
  params.presencePenalty = flags.presencePenalty;
  params.frequencyPenalty = flags.frequencyPenalty;
  params.seed = flags.seed;
  for (const std::string &text : flags.logitBias) {
    Result<LogitBias> bias = parseLogitBias(text);
    if (!bias)
      return tl::unexpected(bias.error());
    params.logitBias.push_back(*bias);
  }
  if (Result<void> valid = validate(params, model.plan().vocabSize); !valid)
    return tl::unexpected(valid.error());
  return params;
}

Result<Request> makeRequest(const GenerationFlags &flags, Model &model, const SamplingParams &sampling) {
  Request request;
  request.sampling = sampling;
  request.maxTokens = flags.maxTokens;
  request.ignoreEos = flags.ignoreEos;
  request.stopStrings = flags.stopStrings;
  if (!model.hasTokenizer() && flags.stopStrings.empty())
    return request;
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tl::unexpected(tokenizer.error());
  request.decoder = std::make_unique<TextDecoder>(**tokenizer);
  return request;
}

} // namespace sinter::rt
