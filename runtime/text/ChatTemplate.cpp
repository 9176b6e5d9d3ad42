// SPDX-License-Identifier: Apache-2.0
// Rendering conversations in the formats of the families we know.
#include "runtime/text/ChatTemplate.h"
#include "runtime/text/CharacterClass.h"
#include <algorithm>
#include <ctime>

namespace sinter::rt {

namespace {

struct NamedStyle {
  std::string_view name;
  ChatStyle style;
};

/// The templates that --chat-template names.
const std::vector<NamedStyle> &namedStyles() {
  static const std::vector<NamedStyle> styles = {
      {"none", {}},
      {"chatml", {.format = ChatFormat::ChatMl}},
      {"smollm2",
       {.format = ChatFormat::ChatMl,
        .defaultSystem = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}},
      {"qwen2.5",
       {.format = ChatFormat::ChatMl,
        .defaultSystem = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."}},
      {"qwen3", {.format = ChatFormat::ChatMl, .thinkBlocks = true}},
      {"llama3", {.format = ChatFormat::Llama3, .beginsWithBos = true, .trim = true}},
      {"llama3.1",
       {.format = ChatFormat::Llama3,
        .beginsWithBos = true,
        .trim = true,
        .knowledgeDate = "December 2023",
        .date = "26 Jul 2024"}},
  };
  return styles;
}

std::string knownNames() {
  std::string list;
  for (std::string_view name : ChatTemplate::names())
    list.append(list.empty() ? "" : ", ").append(name);
  return list;
}

/// Python's str.strip(), which is Jinja's trim.
std::string_view strip(std::string_view text) {
  auto isSpace = [](std::string_view at) {
    char32_t codePoint = utf8::decode(at).codePoint;
    return isWhiteSpace(codePoint) || (codePoint >= 0x1C && codePoint <= 0x1F);
  };
  while (!text.empty() && isSpace(text))
    text.remove_prefix(utf8::decode(text).size);
  while (!text.empty() && isSpace(text.substr(previousCharacter(text, text.size()))))
    text = text.substr(0, previousCharacter(text, text.size()));
  return text;
}

std::string_view stripNewlines(std::string_view text, bool left, bool right) {
  size_t begin = left ? text.find_first_not_of('\n') : 0;
  if (begin == std::string_view::npos || text.empty())
    return {};
  size_t end = right ? text.find_last_not_of('\n') + 1 : text.size();
  return text.substr(begin, end > begin ? end - begin : 0);
}

/// An answer taken apart as Qwen 3's template does.
struct Answer {
  std::string_view reasoning, content;
};
Answer splitThinking(std::string_view content) {
  constexpr std::string_view open = "<think>", close = "</think>";
  size_t first = content.find(close);
  if (first == std::string_view::npos)
    return {{}, content};
  std::string_view reasoning = stripNewlines(content.substr(0, first), false, true);
  if (size_t at = reasoning.rfind(open); at != std::string_view::npos)
    reasoning = reasoning.substr(at + open.size());
  return {stripNewlines(reasoning, true, false),
          stripNewlines(content.substr(content.rfind(close) + close.size()), true, false)};
}

/// The last message that the user wrote; with none, the last of all. What a tool answered is not the user's.
size_t lastQuery(std::span<const ChatMessage> messages) {
  for (size_t i = messages.size(); i-- > 0;) {
    std::string_view content = messages[i].content;
    bool fromTool = content.starts_with("<tool_response>") && content.ends_with("</tool_response>");
    if (messages[i].role == "user" && !fromTool)
      return i;
  }
  return messages.size() - 1;
}

/// "21 Nov 2026"
std::string today() {
  constexpr const char *months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::string day = std::to_string(local.tm_mday);
  return (day.size() < 2 ? "0" : "") + day + " " + months[local.tm_mon] + " " + std::to_string(local.tm_year + 1900);
}

} // namespace

std::vector<std::string_view> ChatTemplate::names() {
  std::vector<std::string_view> list;
  for (const NamedStyle &style : namedStyles())
    list.push_back(style.name);
  return list;
}

Result<ChatTemplate> ChatTemplate::named(std::string_view name, std::string bos) {
  for (const NamedStyle &candidate : namedStyles())
    if (candidate.name == name)
      return ChatTemplate(candidate.style, std::move(bos));
  return fail("unknown chat template '" + std::string(name) + "': --chat-template takes one of " + knownNames());
}

Result<ChatTemplate> ChatTemplate::fromJinja(std::string_view jinja, std::string bos) {
  if (jinja.empty())
    return fail("this model has no chat template: choose one with --chat-template NAME, of " + knownNames());
  ChatStyle style = recognizeChatTemplate(jinja);
  if (style.format == ChatFormat::None)
    return fail("this model's chat template is of no known family: choose one with --chat-template NAME, of " +
                knownNames());
  return ChatTemplate(std::move(style), std::move(bos));
}

Result<ChatTemplate> ChatTemplate::forModel(const Tokenizer &tokenizer, std::string_view name) {
  std::string bos = tokenizer.tokenBytes(tokenizer.rules().bosId);
  return name.empty() ? fromJinja(tokenizer.rules().chatTemplate, std::move(bos)) : named(name, std::move(bos));
}

Result<std::string> ChatTemplate::render(std::span<const ChatMessage> messages, const ChatOptions &options) const {
  if (messages.empty())
    return fail("a conversation has at least one message");
  for (const ChatMessage &message : messages)
    if (message.role != "system" && message.role != "user" && message.role != "assistant")
      return fail("the role of a message is 'system', 'user' or 'assistant', not '" + message.role + "'");
  switch (chatStyle.format) {
  case ChatFormat::ChatMl:
    return renderChatMl(messages, options);
  case ChatFormat::Llama3:
    return renderLlama3(messages, options);
  case ChatFormat::None:
    break;
  }
  std::string text;
  for (const ChatMessage &message : messages)
    text += message.content;
  return text;
}

std::string ChatTemplate::renderChatMl(std::span<const ChatMessage> messages, const ChatOptions &options) const {
  std::string text = chatStyle.beginsWithBos ? bos : "";
  auto add = [&](std::string_view role, std::string_view content) {
    text.append("<|im_start|>").append(role).append("\n");
    text.append(chatStyle.trim ? strip(content) : content).append("<|im_end|>\n");
  };
  if (messages[0].role != "system" && !chatStyle.defaultSystem.empty())
    add("system", chatStyle.defaultSystem);
  size_t query = lastQuery(messages);
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage &message = messages[i];
    if (!chatStyle.thinkBlocks || message.role != "assistant") {
      add(message.role, message.content);
      continue;
    }
    Answer answer = splitThinking(message.content);
    bool keeps = i > query && (i + 1 == messages.size() || !answer.reasoning.empty());
    std::string kept = "<think>\n" + std::string(stripNewlines(answer.reasoning, true, true)) + "\n</think>\n\n" +
                       std::string(stripNewlines(answer.content, true, false));
    add(message.role, keeps ? std::string_view(kept) : answer.content);
  }
  if (!options.addGenerationPrompt)
    return text;
  text += "<|im_start|>assistant\n" + chatStyle.answerStart;
  if (chatStyle.thinkBlocks && !options.enableThinking)
    text += "<think>\n\n</think>\n\n";
  return text;
}

std::string ChatTemplate::renderLlama3(std::span<const ChatMessage> messages, const ChatOptions &options) const {
  std::string text = chatStyle.beginsWithBos ? bos : "";
  auto header = [&](std::string_view role) {
    text.append("<|start_header_id|>").append(role).append("<|end_header_id|>\n\n");
  };
  auto content = [&](std::string_view what) { text.append(chatStyle.trim ? strip(what) : what).append("<|eot_id|>"); };
  if (!chatStyle.knowledgeDate.empty()) {
    std::string date = !options.date.empty() ? options.date : chatStyle.dateFromClock ? today() : chatStyle.date;
    header("system");
    text += "Cutting Knowledge Date: " + chatStyle.knowledgeDate + "\nToday Date: " + date + "\n\n";
    bool hasSystem = messages[0].role == "system";
    content(hasSystem ? std::string_view(messages[0].content) : std::string_view());
    messages = messages.subspan(hasSystem ? 1 : 0);
  }
  for (const ChatMessage &message : messages) {
    header(message.role);
    content(message.content);
  }
  if (options.addGenerationPrompt)
    header("assistant");
  return text;
}

} // namespace sinter::rt
