// SPDX-License-Identifier: Apache-2.0
// The compiler's command line.
#include "compiler/tools/CompileCommand.h"
#include "compiler/tools/InspectCommand.h"
#include "ir/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/InitLLVM.h"

using namespace sinter;

namespace {

/// LLVM's message as one line in our form: "sinter: Unknown ... '--x'.  Try: 'sinter --help'\n..." and the like.
llvm::Error commandLineError(llvm::StringRef message) {
  message = message.split('\n').first;
  message.consume_front("sinter: ");
  std::string text = message.take_front(message.find("  Try: ")).rtrim(".!").str();
  if (!text.empty())
    text[0] = llvm::toLower(text[0]);
  return bad(text + " (see --help)");
}

/// Absent: a parser of a flag's value has said already what is wrong.
std::optional<llvm::Error> run(int argc, char **argv) {
  static CompileCommand compile;
  static InspectCommand inspect;
  std::string message;
  llvm::raw_string_ostream os(message);
  if (!llvm::cl::ParseCommandLineOptions(argc, argv, "Sinter compiles a language model into one native executable\n",
                                         &os))
    return message.empty() ? std::nullopt : std::optional(commandLineError(message));
  if (compile.command)
    return compile.run();
  if (inspect.command)
    return inspect.run();
  return bad("expected a command: compile or inspect (see --help)");
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  std::optional<llvm::Error> error = run(argc, argv);
  if (error && !*error)
    return 0;
  if (error)
    reportError(std::move(*error));
  return 1;
}
