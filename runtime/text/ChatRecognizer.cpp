// SPDX-License-Identifier: Apache-2.0
// Recognizing the family of a Jinja chat template by its literals.
#include "runtime/text/ChatTemplate.h"
#include "runtime/text/Normalizer.h"
#include <initializer_list>

namespace sinter::rt {

namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool containsAny(std::string_view text, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts)
    if (contains(text, part))
      return true;
  return false;
}

/// The rest of the string literal that `start` begins, at its first place where that rest contains `end`: the text up
/// to `end`. Literals are quoted with ' or ".
std::string literalBetween(std::string_view text, std::string_view start, std::string_view end) {
  for (size_t at = 0; (at = text.find(start, at)) != std::string_view::npos; at += start.size()) {
    if (at == 0 || (text[at - 1] != '\'' && text[at - 1] != '"'))
      continue;
    std::string_view rest = text.substr(at + start.size());
    rest = rest.substr(0, rest.find(text[at - 1]));
    if (size_t stop = rest.find(end); stop != std::string_view::npos)
      return std::string(rest.substr(0, stop));
  }
  return {};
}

ChatStyle recognizeChatMl(std::string_view jinja) {
  ChatStyle style;
  // Every message has to be written the same way, its role taken from the message.
  if (!containsAny(jinja, {"'<|im_start|>' + message", "\"<|im_start|>\" + message", "'<|im_start|>'+message"}))
    return style;
  style.format = ChatFormat::ChatMl;
  style.defaultSystem = literalBetween(jinja, "<|im_start|>system\n", "<|im_end|>");
  style.thinkBlocks = contains(jinja, "</think>") && contains(jinja, "last_query_index");
  if (contains(jinja, "<|im_start|>assistant\n<think>\n"))
    style.answerStart = "<think>\n";
  return style;
}

ChatStyle recognizeLlama3(std::string_view jinja) {
  ChatStyle style;
  style.format = ChatFormat::Llama3;
  style.knowledgeDate = literalBetween(jinja, "Cutting Knowledge Date: ", "\n");
  style.dateFromClock = contains(jinja, "strftime_now(");
  constexpr std::string_view setDate = "set date_string = \"";
  if (size_t at = jinja.find(setDate); at != std::string_view::npos) {
    std::string_view rest = jinja.substr(at + setDate.size());
    style.date = rest.substr(0, rest.find('"'));
  }
  return style;
}

} // namespace

ChatStyle recognizeChatTemplate(std::string_view text) {
  // A newline in a literal is written as it is (GGUF files out of old configs) or escaped.
  std::string jinja = replaceAll(text, "\\n", "\n");
  ChatStyle style;
  if (contains(jinja, "<|im_start|>") && contains(jinja, "<|im_end|>"))
    style = recognizeChatMl(jinja);
  else if (contains(jinja, "<|start_header_id|>") && contains(jinja, "<|eot_id|>"))
    style = recognizeLlama3(jinja);
  style.beginsWithBos = contains(jinja, "bos_token");
  style.trim = containsAny(jinja, {"message['content'] | trim", "message['content']|trim", "message.content | trim",
                                   "message.content|trim", "message[\"content\"] | trim"});
  return style;
}

} // namespace sinter::rt
