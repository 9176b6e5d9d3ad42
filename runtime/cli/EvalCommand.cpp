// SPDX-License-Identifier: Apache-2.0
// eval: perplexity of a text, or the logits of every position of given tokens.
#include "runtime/cli/Command.h"
#include "runtime/cli/EvalLogits.h"
#include "runtime/cli/Flags.h"
#include "runtime/cli/Perplexity.h"
#include "runtime/cli/TokenIds.h"
#include "runtime/support/Format.h"
#include "runtime/support/ProgressBar.h"
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace sinter::rt {
namespace {

struct EvalFlags {
  DeviceFlags device;
  EvalLogitsOptions logits;
  std::string text, tokenIds;
  int32_t context = 0, stride = 0;
  bool asJson = false;
};

Result<std::vector<int32_t>> readTokens(const EvalFlags &flags, Model &model) {
  const std::string &path = flags.text.empty() ? flags.tokenIds : flags.text;
  Result<std::string> content = readWholeFile(path);
  if (!content)
    return tl::unexpected(content.error());
  if (flags.text.empty())
    return parseTokenIds(*content, path, model.plan().vocabSize);
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tl::unexpected(tokenizer.error());
  return (*tokenizer)->encode(*content, {.addSpecial = true, .parseSpecial = false});
}

Result<int> evalPerplexity(const EvalFlags &flags, std::span<const int32_t> tokens, Engine &engine, Console &console) {
  int32_t context = flags.context ? flags.context : std::min(engine.maxLength(), 2048);
  int32_t stride = flags.stride ? flags.stride : std::max(1, context / 2);
  if (context < 2 || context > engine.maxLength())
    return fail("--ctx is " + std::to_string(context) + ", expected 2 to " + std::to_string(engine.maxLength()));
  if (stride > context)
    return fail("--stride is " + std::to_string(stride) + ", expected at most --ctx, " + std::to_string(context));
  if (tokens.size() < 2)
    return fail("a perplexity needs two tokens, the text has " + std::to_string(tokens.size()));
  int64_t work = 0;
  for (const PerplexityWindow &window : perplexityWindows(tokens.size(), context, stride))
    work += static_cast<int64_t>(window.end - window.begin);
  ProgressBar progress("evaluating", static_cast<uint64_t>(work));
  auto advance = [&](int64_t more) { progress.advance(static_cast<uint64_t>(more)); };
  Result<Perplexity> result = computePerplexity(engine, tokens, context, stride, advance);
  if (!result)
    return tl::unexpected(result.error());
  if (flags.asJson) {
    boost::json::object object{{"tokens", tokens.size()},     {"scored", result->tokens}, {"nll", result->nll},
                               {"ppl", result->perplexity()}, {"ctx", context},           {"stride", stride}};
    console.out << boost::json::serialize(object) << '\n';
    return exitOk;
  }
  console.out << "tokens " << tokens.size() << ", scored " << result->tokens << " (windows of " << context << " every "
              << stride << ")\nnll    " << formatFixed(result->nll, 6) << " ("
              << formatFixed(result->nll / static_cast<double>(result->tokens), 6) << " a token)\nppl    "
              << formatFixed(result->perplexity(), 6) << '\n';
  return exitOk;
}

Result<int> eval(const EvalFlags &flags, Model &model, Console &console) {
  if (flags.text.empty() == flags.tokenIds.empty())
    return fail("eval takes --text FILE or --token-ids FILE");
  if (flags.logits.path.empty() && (flags.logits.decode || flags.logits.from || flags.logits.beside))
    return fail(std::string(flags.logits.decode ? "--decode"
                            : flags.logits.from ? "--from"
                                                : "--beside") +
                " goes with --logits");
  Result<std::vector<int32_t>> tokens = readTokens(flags, model);
  if (!tokens)
    return tl::unexpected(tokens.error());
  auto executor = model.makeExecutor(flags.device);
  if (!executor)
    return tl::unexpected(executor.error());
  EngineOptions options;
  options.sharePrefixes = false;
  Engine engine(**executor, options);
  if (flags.logits.path.empty())
    return evalPerplexity(flags, *tokens, engine, console);
  Result<void> written = writeLogits(flags.logits, std::move(*tokens), engine, model.plan().vocabSize);
  return written ? Result<int>(exitOk) : tl::unexpected(written.error());
}

void addLogitsFlags(CLI::App &command, EvalLogitsOptions &flags) {
  command
      .add_option("--logits", flags.path,
                  "Write the logits of every position instead: safetensors, float32 'logits' [tokens, vocabulary]")
      ->option_text("OUT");
  command.add_flag("--decode", flags.decode, "Compute them one token at a time instead of as a prompt");
  command
      .add_option("--from", flags.from,
                  "Compute the first N tokens as a prompt, and write the logits of the last of them and those after it")
      ->check(CLI::Range(1, INT32_MAX))
      ->option_text("N");
  command.add_option("--beside", flags.beside, "Compute N random requests in the same steps")
      ->check(CLI::Range(1, INT32_MAX))
      ->option_text("N");
}

} // namespace

void addEvalCommand(CLI::App &app, Action &chosen) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App *command = app.add_subcommand("eval", "Measure perplexity, or write the logits of every position");
  CLI::Option *text =
      command->add_option("--text", flags->text, "Perplexity of this text; - is standard input")->option_text("FILE");
  command
      ->add_option("--token-ids", flags->tokenIds,
                   "The same of token ids: a JSON array, or separated by white space or commas")
      ->option_text("FILE")
      ->excludes(text);
  addLogitsFlags(*command, flags->logits);
  command->add_option("--ctx", flags->context, "Tokens of a window; default: 2048, or what the model has")
      ->check(CLI::Range(2, INT32_MAX))
      ->option_text("N");
  command->add_option("--stride", flags->stride, "Tokens from window to window; default: half of --ctx")
      ->check(CLI::Range(1, INT32_MAX))
      ->option_text("N");
  command->add_flag("--json", flags->asJson, "One JSON object");
  addDeviceFlags(*command, flags->device);
  command->callback(
      [flags, &chosen] { chosen = [flags](Model &model, Console &console) { return eval(*flags, model, console); }; });
}

} // namespace sinter::rt
