// SPDX-License-Identifier: Apache-2.0
// chat: a conversation on the terminal. Every turn is a request with the whole conversation as its prompt; what was
// computed for the turns before is found in the KV cache by its prefix.
#include "runtime/cli/ChatPrompt.h"
#include "runtime/cli/Command.h"
#include "runtime/cli/Flags.h"
#include "runtime/cli/Interrupt.h"
#include <CLI/CLI.hpp>
#include <cstdio>

namespace sinter::rt {
namespace {

struct ChatFlags {
  DeviceFlags device;
  GenerationFlags generation;
};

class Chat {
public:
  Chat(const ChatFlags &flags, Model &model, ChatPrompt prompt, SamplingParams sampling, Engine &engine,
       Console &console)
      : flags(flags), model(model), prompt(std::move(prompt)), sampling(std::move(sampling)), engine(engine),
        console(console) {
    reset();
  }

  /// Reads lines until /exit or the end of the input.
  Result<int> loop();

private:
  void reset();
  bool readLine(std::string &line);
  Result<void> answer(const std::string &line);

  const ChatFlags &flags;
  Model &model;
  ChatPrompt prompt;
  SamplingParams sampling;
  Engine &engine;
  Console &console;
  InterruptGuard interrupt;
  std::vector<ChatMessage> messages;
};

void Chat::reset() {
  messages.clear();
  if (!flags.generation.system.empty())
    messages.push_back({"system", flags.generation.system});
}

/// False at the end of the input. Ctrl-C starts the line anew.
bool Chat::readLine(std::string &line) {
  for (;;) {
    if (console.inIsTerminal)
      console.out << "> " << std::flush;
    if (std::getline(console.in, line))
      return true;
    if (!interrupt.consume())
      return false;
    console.in.clear();
    std::clearerr(stdin);
    console.out << '\n';
  }
}

/// One turn. It becomes part of the conversation as far as it was shown; a turn that could not run does not.
Result<void> Chat::answer(const std::string &line) {
  messages.push_back({"user", line});
  Result<std::vector<int32_t>> tokens = prompt.encode(messages);
  Result<Request> request = makeRequest(flags.generation, model, sampling);
  if (!tokens || !request) {
    messages.pop_back();
    return tl::unexpected(tokens ? request.error() : tokens.error());
  }
  Completion done;
  request->prompt = std::move(*tokens);
  request->onToken = [this](const TokenEvent &event) { console.out << event.text << std::flush; };
  request->onFinish = [&done](const Completion &completion) { done = completion; };
  interrupt.consume();
  Result<RequestId> id = engine.submit(std::move(*request));
  if (!id) {
    messages.pop_back();
    return fail(id.error().message + "; /reset starts anew");
  }
  while (engine.step())
    if (interrupt.consume())
      engine.cancel(*id);
  console.out << std::endl;
  messages.push_back({"assistant", done.text});
  return done.error.empty() ? Result<void>() : fail(done.error);
}

Result<int> Chat::loop() {
  for (std::string line; readLine(line);) {
    if (line == "/exit")
      return exitOk;
    if (line == "/reset")
      reset();
    else if (line.starts_with('/') && line.find(' ') == std::string::npos)
      console.err << "there is no " << line << "; /reset forgets the conversation, /exit ends" << std::endl;
    else if (!line.empty())
      if (Result<void> answered = answer(line); !answered)
        console.err << "error: " << answered.error().message << std::endl;
  }
  if (console.inIsTerminal)
    console.out << std::endl;
  return exitOk;
}

Result<int> chat(const ChatFlags &flags, Model &model, Console &console) {
  Result<SamplingParams> sampling = samplingParams(flags.generation, model);
  if (!sampling)
    return tl::unexpected(sampling.error());
  Result<ChatPrompt> prompt = ChatPrompt::create(model, flags.generation.chatTemplate);
  if (!prompt)
    return tl::unexpected(prompt.error());
  auto executor = model.makeExecutor(flags.device);
  if (!executor)
    return tl::unexpected(executor.error());
  Engine engine(**executor, engineOptions(model));
  if (console.inIsTerminal)
    console.out << model.info().model
                << ": /reset forgets the conversation, /exit or Ctrl-D ends, Ctrl-C stops an answer" << std::endl;
  return Chat(flags, model, std::move(*prompt), std::move(*sampling), engine, console).loop();
}

} // namespace

void addChatCommand(CLI::App &app, Action &chosen) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App *command = app.add_subcommand("chat", "Talk with the model on the terminal");
  addGenerationFlags(*command, flags->generation);
  addDeviceFlags(*command, flags->device);
  command->callback(
      [flags, &chosen] { chosen = [flags](Model &model, Console &console) { return chat(*flags, model, console); }; });
}

} // namespace sinter::rt
