// SPDX-License-Identifier: Apache-2.0
// Renders conversations and tokenizes them; special tokens of the template are parsed, BOS is the template's business.
#include "runtime/cli/ChatPrompt.h"

namespace sinter::rt {

Result<ChatPrompt> ChatPrompt::create(Model &model, const std::string &templateName) {
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tl::unexpected(tokenizer.error());
  Result<ChatTemplate> format = ChatTemplate::forModel(**tokenizer, templateName);
  if (!format)
    return tl::unexpected(format.error());
  return ChatPrompt(**tokenizer, std::move(*format));
}

Result<std::vector<int32_t>> ChatPrompt::encode(std::span<const ChatMessage> messages) const {
  Result<std::string> text = format.render(messages);
  if (!text)
    return tl::unexpected(text.error());
  return tokenizer->encode(*text, {.addSpecial = false});
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
