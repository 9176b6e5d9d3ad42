// SPDX-License-Identifier: Apache-2.0
// What a subcommand is made of: it adds itself to the command line, and when it is chosen it gets the model to work on.
#pragma once
#include "runtime/cli/Model.h"
#include <functional>
#include <istream>
#include <ostream>

namespace CLI {
class App;
}

namespace sinter::rt {

/// Exit codes of every command. The user's: bad usage, bad input, a machine that this cannot run on. Internal: a device
/// or the model failed while a request ran, or a bug.
inline constexpr int exitOk = 0, exitUserError = 1, exitInternalError = 2;

/// Where a command reads and writes, so that tests can stand in for the terminal.
struct Console {
  std::istream &in;
  std::ostream &out, &err;
  bool inIsTerminal = false, outIsTerminal = false;
};

/// Runs the chosen command. An Error is reported, and says itself which exit code it is.
using Action = std::function<Result<int>(Model &, Console &)>;

/// Each adds one subcommand with its flags; when that is on the command line, parsing sets `chosen`.
void addRunCommand(CLI::App &app, Action &chosen);
void addChatCommand(CLI::App &app, Action &chosen);
void addBenchCommand(CLI::App &app, Action &chosen);
void addEvalCommand(CLI::App &app, Action &chosen);
void addSoakCommand(CLI::App &app, Action &chosen);
void addTokenizeCommand(CLI::App &app, Action &chosen);
void addInfoCommand(CLI::App &app, Action &chosen);

} // namespace sinter::rt
