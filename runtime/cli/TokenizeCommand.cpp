// SPDX-License-Identifier: Apache-2.0
// tokenize: text to token ids and back, without touching the weights.
#include "runtime/cli/Command.h"
#include "runtime/cli/TokenIds.h"
#include "runtime/text/JsonLine.h"
#include "runtime/text/TokenizeLines.h"
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace sinter::rt {
namespace {

struct TokenizeFlags {
  std::string text, jsonl;
  bool textGiven = false, noSpecialTokens = false, decode = false;
};

/// Without special tokens nothing is put around the text. SentencePiece does not look for them in it either; byte-level
/// tokenizers do, as Hugging Face's do with add_special_tokens=False.
EncodeOptions encodeOptions(const Tokenizer &tokenizer, bool noSpecialTokens) {
  bool sentencePiece = tokenizer.rules().model == TokenizerModel::SentencePieceBpe;
  return {.addSpecial = !noSpecialTokens, .parseSpecial = !(noSpecialTokens && sentencePiece)};
}

Result<int> tokenizeFile(const Tokenizer &tokenizer, const TokenizeFlags &flags, Console &console) {
  TokenizeOptions options;
  options.encode = encodeOptions(tokenizer, flags.noSpecialTokens);
  options.decode = flags.decode;
  options.skipSpecial = flags.noSpecialTokens;
  std::ifstream file;
  if (flags.jsonl != "-") {
    file.open(flags.jsonl, std::ios::binary);
    if (!file)
      return fail(flags.jsonl + ": cannot open: " + std::strerror(errno));
  }
  std::istream &in = flags.jsonl == "-" ? console.in : file;
  if (Result<void> done = tokenizeLines(tokenizer, in, console.out, options); !done)
    return fail(flags.jsonl + ": " + done.error().message);
  return exitOk;
}

Result<int> tokenize(const TokenizeFlags &flags, Model &model, Console &console) {
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tl::unexpected(tokenizer.error());
  if (!flags.jsonl.empty())
    return tokenizeFile(**tokenizer, flags, console);
  std::string text = flags.text;
  if (!flags.textGiven) {
    if (console.inIsTerminal)
      return fail("nothing to tokenize: give TEXT, --jsonl FILE or standard input");
    text.assign(std::istreambuf_iterator<char>(console.in), {});
  }
  if (!flags.decode) {
    console.out << toJson((*tokenizer)->encode(text, encodeOptions(**tokenizer, flags.noSpecialTokens))) << '\n';
    return exitOk;
  }
  Result<std::vector<int32_t>> ids =
      parseTokenIds(text, flags.textGiven ? "TEXT" : "standard input", model.plan().vocabSize);
  if (!ids)
    return tl::unexpected(ids.error());
  console.out << (*tokenizer)->decode(*ids, flags.noSpecialTokens) << '\n';
  return exitOk;
}

} // namespace

void addTokenizeCommand(CLI::App &app, Action &chosen) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App *command = app.add_subcommand("tokenize", "Turn text into token ids, or back");
  CLI::Option *text =
      command->add_option("TEXT", flags->text, "Text (with --decode: ids); without it, all of standard input");
  command
      ->add_option("--jsonl", flags->jsonl,
                   "JSON strings, one a line, to JSON arrays of ids, one a line (with --decode the other way); - is "
                   "standard input")
      ->option_text("FILE")
      ->excludes(text);
  command->add_flag("--no-special-tokens", flags->noSpecialTokens,
                    "Do not add BOS or EOS; with --decode, leave special tokens out");
  command->add_flag("--decode", flags->decode, "From ids to text");
  command->callback([flags, text, &chosen] {
    flags->textGiven = text->count() > 0;
    chosen = [flags](Model &model, Console &console) { return tokenize(*flags, model, console); };
  });
}

} // namespace sinter::rt
