// SPDX-License-Identifier: Apache-2.0
// A conversation as the text a model was trained on. Templates come as Jinja programs; the families we know are
// recognized from that text and rendered here, exactly as Jinja would. Any other is an error that says what to do.
#pragma once
#include "runtime/support/Error.h"
#include "runtime/text/Tokenizer.h"
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::rt {

struct ChatMessage {
  std::string role; ///< "system", "user" or "assistant"
  std::string content;
};

struct ChatOptions {
  bool addGenerationPrompt = true; ///< end where the assistant's answer starts
  bool enableThinking = true; ///< false: an empty think block starts the answer, where the template has one (Qwen 3)
  std::string date;           ///< "26 Jul 2024", for templates that say today's; empty: as the template says
};

enum class ChatFormat : uint8_t {
  None,   ///< the contents, one after the other
  ChatMl, ///< <|im_start|>role\ncontent<|im_end|>\n
  Llama3, ///< <|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>
};

/// What differs between templates of a format.
struct ChatStyle {
  ChatFormat format = ChatFormat::None;
  std::string defaultSystem = {}; ///< ChatMl: a system message put first if there is none; empty: none
  bool thinkBlocks = false;       ///< ChatMl: <think> blocks of earlier answers are left out, as Qwen 3 does
  std::string answerStart = {};   ///< after the generation prompt: "<think>\n"
  bool beginsWithBos = false;     ///< BOS's string stands before the first message
  bool trim = false;              ///< contents lose the white space around them
  std::string knowledgeDate = {}; ///< Llama3: "December 2023" makes the header of 3.1 and later
  std::string date = {};          ///< Llama3: today's date, if the options have none
  bool dateFromClock = false;     ///< Llama3: or rather the day it is
};

class ChatTemplate {
public:
  /// The template called `name` (the value of --chat-template), or if that is empty the model's own.
  static Result<ChatTemplate> forModel(const Tokenizer &tokenizer, std::string_view name = {});

  /// Recognizes a Jinja text. `bos` is BOS's string.
  static Result<ChatTemplate> fromJinja(std::string_view jinja, std::string bos);
  static Result<ChatTemplate> named(std::string_view name, std::string bos);

  /// What --chat-template takes.
  static std::vector<std::string_view> names();

  /// The prompt. It has BOS where the template puts it: encode it with {.addSpecial = false, .parseSpecial = true}.
  Result<std::string> render(std::span<const ChatMessage> messages, const ChatOptions &options = {}) const;

  const ChatStyle &style() const { return chatStyle; }

private:
  ChatTemplate(ChatStyle style, std::string bos) : chatStyle(std::move(style)), bos(std::move(bos)) {}

  std::string renderChatMl(std::span<const ChatMessage> messages, const ChatOptions &options) const;
  std::string renderLlama3(std::span<const ChatMessage> messages, const ChatOptions &options) const;

  ChatStyle chatStyle;
  std::string bos;
};

/// What `jinja` asks for; nothing (ChatFormat::None) if it is of no family known here.
ChatStyle recognizeChatTemplate(std::string_view jinja);

} // namespace sinter::rt
