// SPDX-License-Identifier: Apache-2.0
// main() of every compiled model. In a file of its own: the linker takes it from the library for a generated plan,
// which has no main, and leaves it for a test, which does.
#include "runtime/abi/Plan.h"
#include "runtime/cli/CommandLine.h"
#include <filesystem>
#include <iostream>
#include <unistd.h>

int main(int argc, char **argv) {
  using namespace sinter::rt;
  std::string program = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : sinterPlan.model;
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  Console console{std::cin, std::cout, std::cerr, isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1};
  return runCommandLine(program, arguments, sinterPlan, Payload::openSelf, console);
}
