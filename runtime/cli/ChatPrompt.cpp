// SPDX-License-Identifier: Apache-2.0
// Renders conversations and tokenizes them; special tokens of the template are parsed, BOS is the template's business.
#include "runtime/cli/ChatPrompt.h"

namespace sinter::rt {

Result<ChatPrompt> ChatPrompt::create(Model &model, const std::string &templateName) {
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tl::unexpected(tokenizer.error());
  return ChatPrompt(**tokenizer);
}

/// ChatML, the format of SmolLM2 and Qwen.
Result<std::vector<int32_t>> ChatPrompt::encode(std::span<const ChatMessage> messages) const {
  std::string text;
  for (const ChatMessage &message : messages)
    text += "<|im_start|>" + message.role + "\n" + message.content + "<|im_end|>\n";
  return tokenizer->encode(text + "<|im_start|>assistant\n", {.addSpecial = false});
}

Result<std::vector<int32_t>> singleTurnPrompt(Model &model, const GenerationFlags &flags, const std::string &text) {
  Result<ChatPrompt> prompt = ChatPrompt::create(model, flags.chatTemplate);
  if (!prompt)
    return tl::unexpected(prompt.error());
  std::vector<ChatMessage> messages;
  if (!flags.system.empty())
    messages.push_back({"system", flags.system});
  messages.push_back({"user", text});
  return prompt->encode(messages);
}

} // namespace sinter::rt
