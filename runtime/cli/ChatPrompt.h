// SPDX-License-Identifier: Apache-2.0
// Conversations as prompts: the chat template of the model, or the one that --chat-template names, and the tokenizer.
#pragma once
#include "runtime/cli/Flags.h"
#include "runtime/text/ChatTemplate.h"

namespace sinter::rt {

class ChatPrompt {
public:
  /// `templateName` is --chat-template's; empty: the model's own. An error for a model without a tokenizer, and for a
  /// template that is missing or unknown, which names --chat-template.
  static Result<ChatPrompt> create(Model &model, const std::string &templateName);

  /// The tokens of the conversation so far and of the start of the assistant's next message.
  Result<std::vector<int32_t>> encode(std::span<const ChatMessage> messages) const;

private:
  ChatPrompt(const Tokenizer &tokenizer, ChatTemplate format) : tokenizer(&tokenizer), format(std::move(format)) {}
  const Tokenizer *tokenizer;
  ChatTemplate format;
};

/// The prompt of a conversation with one user message, and a system message if the flags have one.
Result<std::vector<int32_t>> singleTurnPrompt(Model &model, const GenerationFlags &flags, const std::string &text);

} // namespace sinter::rt
