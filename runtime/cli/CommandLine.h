// SPDX-License-Identifier: Apache-2.0
// The command line of a compiled model, from arguments to exit code.
#pragma once
#include "runtime/cli/Command.h"

namespace sinter::rt {

/// Parses and runs. `arguments` without the program's name; `program` is what usage calls it. Errors are one line on
/// console.err. Returns exitOk, exitUserError (bad usage, bad input) or exitInternalError.
int runCommandLine(const std::string &program, const std::vector<std::string> &arguments, const Plan &plan,
                   const std::function<Result<Payload>()> &openPayload, Console &console);

} // namespace sinter::rt
