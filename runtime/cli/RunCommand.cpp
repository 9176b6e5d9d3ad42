// SPDX-License-Identifier: Apache-2.0
// run: one answer, streamed, or many prompts batched.
#include "runtime/cli/ChatPrompt.h"
#include "runtime/cli/Command.h"
#include "runtime/cli/Flags.h"
#include "runtime/cli/RunOutput.h"
#include "runtime/cli/TokenIds.h"
#include <CLI/CLI.hpp>

namespace sinter::rt {
namespace {

struct RunFlags {
  DeviceFlags device;
  GenerationFlags generation;
  std::string prompt, promptsFile, tokenIds;
  std::optional<int32_t> logprobs;
  bool promptGiven = false, raw = false, asJson = false;
};

struct Prompt {
  std::string shown; ///< as the user wrote it
  std::vector<int32_t> tokens;
};

/// The prompts' texts: the argument, or the lines of a file or of standard input that are not empty.
Result<std::vector<std::string>> readTexts(const RunFlags &flags, Console &console) {
  if (flags.promptGiven)
    return std::vector<std::string>{flags.prompt};
  std::string content;
  if (!flags.promptsFile.empty() && flags.promptsFile != "-") {
    Result<std::string> read = readWholeFile(flags.promptsFile);
    if (!read)
      return tl::unexpected(read.error());
    content = std::move(*read);
  } else if (flags.promptsFile.empty() && console.inIsTerminal) {
    return fail(
        "nothing to run: give PROMPT, --prompts FILE, --token-ids IDS, or prompts on standard input, one a line");
  } else {
    content.assign(std::istreambuf_iterator<char>(console.in), {});
  }
  std::vector<std::string> texts;
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r'))
      line.pop_back();
    if (!line.empty())
      texts.push_back(line);
  }
  if (texts.empty())
    return fail((flags.promptsFile.empty() ? "standard input" : flags.promptsFile) +
                ": no prompts, expected one a line");
  return texts;
}

Result<std::vector<Prompt>> collectPrompts(const RunFlags &flags, Model &model, Console &console) {
  if (!flags.tokenIds.empty()) {
    Result<std::vector<int32_t>> ids = parseTokenIds(flags.tokenIds, "--token-ids", model.plan().vocabSize);
    if (!ids)
      return tl::unexpected(ids.error());
    return std::vector<Prompt>{{flags.tokenIds, std::move(*ids)}};
  }
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tl::unexpected(tokenizer.error());
  Result<std::vector<std::string>> texts = readTexts(flags, console);
  if (!texts)
    return tl::unexpected(texts.error());
  std::vector<Prompt> prompts;
  for (std::string &text : *texts) {
    Result<std::vector<int32_t>> tokens = flags.raw ? (*tokenizer)->encode(text) : Result<std::vector<int32_t>>();
    if (!flags.raw)
      tokens = singleTurnPrompt(model, flags.generation, text);
    if (!tokens)
      return tl::unexpected(tokens.error());
    prompts.push_back({std::move(text), std::move(*tokens)});
  }
  return prompts;
}

Result<void> submitAll(const RunFlags &flags, const std::vector<Prompt> &prompts, const SamplingParams &sampling,
                       Model &model, Engine &engine, RunOutput &output) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    Result<Request> request = makeRequest(flags.generation, model, sampling);
    if (!request)
      return tl::unexpected(request.error());
    request->prompt = prompts[i].tokens;
    request->onToken = [&output](const TokenEvent &event) { output.token(event); };
    request->onFinish = [&output, &prompts, i](const Completion &completion) {
      output.finish(i, prompts[i].shown, completion);
    };
    if (Result<RequestId> id = engine.submit(std::move(*request)); !id)
      return prompts.size() == 1 ? fail(id.error().message)
                                 : fail("prompt " + std::to_string(i + 1) + ": " + id.error().message);
  }
  return {};
}

Result<int> run(const RunFlags &flags, Model &model, Console &console) {
  Result<SamplingParams> sampling = samplingParams(flags.generation, model);
  if (!sampling)
    return tl::unexpected(sampling.error());
  sampling->logprobs = flags.logprobs;
  if (Result<void> valid = validate(*sampling, model.plan().vocabSize); !valid)
    return tl::unexpected(valid.error());
  Result<std::vector<Prompt>> prompts = collectPrompts(flags, model, console);
  if (!prompts)
    return tl::unexpected(prompts.error());
  auto executor = model.makeExecutor(flags.device);
  if (!executor)
    return tl::unexpected(executor.error());
  Engine engine(**executor, engineOptions(model));
  RunOutput::Style style = flags.asJson           ? RunOutput::Style::Json
                           : prompts->size() == 1 ? RunOutput::Style::Stream
                                                  : RunOutput::Style::List;
  RunOutput output(console.out, style, model.hasTokenizer());
  if (Result<void> submitted = submitAll(flags, *prompts, *sampling, model, engine, output); !submitted)
    return tl::unexpected(submitted.error());
  engine.runUntilIdle();
  return output.error().empty() ? Result<int>(exitOk) : failInternal(output.error());
}

} // namespace

void addRunCommand(CLI::App &app, Action &chosen) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App *command = app.add_subcommand("run", "Answer a prompt, or many");
  CLI::Option *prompt = command->add_option("PROMPT", flags->prompt, "The user's message");
  CLI::Option *file =
      command
          ->add_option(
              "--prompts", flags->promptsFile,
              "Prompts, one a line, answered together; - is standard input, which is also read when it is piped")
          ->option_text("FILE")
          ->excludes(prompt);
  command->add_option("--token-ids", flags->tokenIds, "Token ids in place of text: 5,7,9")
      ->option_text("IDS")
      ->excludes(prompt)
      ->excludes(file);
  command->add_flag("--raw", flags->raw, "Continue the text as it is, without the chat template");
  command->add_flag("--json", flags->asJson, "One JSON object a request, one a line");
  command
      ->add_option("--logprobs", flags->logprobs,
                   "With --json: log-probability of every token, and of the K most likely in its place")
      ->option_text("K");
  addGenerationFlags(*command, flags->generation);
  addDeviceFlags(*command, flags->device);
  command->callback([flags, prompt, &chosen] {
    flags->promptGiven = prompt->count() > 0;
    chosen = [flags](Model &model, Console &console) { return run(*flags, model, console); };
  });
}

} // namespace sinter::rt
