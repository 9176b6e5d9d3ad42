// SPDX-License-Identifier: Apache-2.0
// Dispatch to the subcommands, usage in the words of the model, and the one place where errors become exit codes.
#include "runtime/cli/CommandLine.h"
#include "runtime/support/Format.h"
#include <CLI/CLI.hpp>
#include <exception>

namespace sinter::rt {
namespace {

/// The subcommands, in the order of usage.
constexpr void (*addCommands[])(CLI::App &, Action &) = {
    addRunCommand, addChatCommand, addBenchCommand, addEvalCommand, addSoakCommand, addTokenizeCommand, addInfoCommand};

std::string describe(const Plan &plan) {
  return std::string(plan.model) + ", compiled by Sinter for " + plan.target + ": " + formatBytes(plan.weightsBytes) +
         " of weights, up to " + std::to_string(plan.maxSeqLen) + " tokens a sequence";
}

/// CLI11's messages may have several lines, capitals and full stops: one line in our form.
std::string oneLine(std::string message) {
  message = message.substr(0, message.find('\n'));
  auto isUpper = [&](size_t at) {
    return at < message.size() && std::isupper(static_cast<unsigned char>(message[at]));
  };
  size_t afterFlag = message.starts_with('-') ? message.find(": ") : std::string::npos; // "--threads: Value 0 not ..."
  for (size_t at : {size_t(0), afterFlag == std::string::npos ? 0 : afterFlag + 2})
    if (isUpper(at) && !isUpper(at + 1))
      message[at] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[at])));
  while (message.ends_with('.'))
    message.pop_back();
  return message;
}

int report(Console &console, const std::string &program, const Error &error) {
  console.err << program << ": error: " << (error.internal ? "internal: " : "") << error.message << std::endl;
  return error.internal ? exitInternalError : exitUserError;
}

int runChosen(const std::string &program, const Action &action, const Plan &plan,
              const std::function<Result<Payload>()> &openPayload, Console &console) {
  Result<Model> model = Model::open(plan, openPayload());
  if (!model)
    return report(console, program, model.error());
  Result<int> code = action(*model, console);
  console.out.flush();
  if (!code)
    return report(console, program, code.error());
  if (!console.out)
    return report(console, program, {"cannot write to standard output"});
  return *code;
}

int parseAndRun(const std::string &program, const std::vector<std::string> &arguments, const Plan &plan,
                const std::function<Result<Payload>()> &openPayload, Console &console) {
  CLI::App app(describe(plan), program);
  app.get_formatter()->column_width(34);
  app.require_subcommand(0, 1);
  Action chosen;
  for (auto add : addCommands)
    add(app, chosen);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp &) {
    console.out << app.help() << std::flush;
    return exitOk;
  } catch (const CLI::ParseError &error) {
    return report(console, program, {oneLine(error.what()) + " (--help shows what there is)"});
  }
  if (chosen)
    return runChosen(program, chosen, plan, openPayload, console);
  console.out << app.help() << std::flush;
  return exitOk;
}

} // namespace

int runCommandLine(const std::string &program, const std::vector<std::string> &arguments, const Plan &plan,
                   const std::function<Result<Payload>()> &openPayload, Console &console) {
  try {
    return parseAndRun(program, arguments, plan, openPayload, console);
  } catch (const std::exception &exception) {
    return report(console, program, {exception.what(), /*internal=*/true});
  }
}

} // namespace sinter::rt
