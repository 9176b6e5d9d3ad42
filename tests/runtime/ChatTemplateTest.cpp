// SPDX-License-Identifier: Apache-2.0
// Chat templates against what jinja2 renders (ChatGoldens.h), and the errors around them.
#include "runtime/text/ChatTemplate.h"
#include "tests/runtime/ChatGoldens.h"
#include <gtest/gtest.h>

using namespace sinter::rt;

namespace {

std::vector<ChatMessage> conversation(int index) {
  std::vector<ChatMessage> messages;
  for (auto [role, content] : goldens::conversations[static_cast<size_t>(index)])
    messages.push_back({std::string(role), std::string(content)});
  return messages;
}

std::string_view jinjaOf(std::string_view model) {
  for (auto [name, text] : goldens::templates)
    if (name == model)
      return text;
  return {};
}

TEST(ChatTemplate, rendersWhatJinjaRenders) {
  ASSERT_GT(goldens::chatGoldens.size(), 200u);
  for (const goldens::ChatGolden &golden : goldens::chatGoldens) {
    Result<ChatTemplate> chat = ChatTemplate::fromJinja(jinjaOf(golden.model), "<BOS>");
    ASSERT_TRUE(chat) << golden.model << ": " << chat.error().message;
    ChatOptions options{golden.addGenerationPrompt, golden.enableThinking, ""};
    if (chat->style().dateFromClock)
      options.date = goldens::date;
    Result<std::string> text = chat->render(conversation(golden.conversation), options);
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_EQ(*text, golden.text) << golden.model << ", conversation " << golden.conversation;
  }
}

TEST(ChatTemplate, namesGiveWhatTheirModelsHave) {
  size_t compared = 0;
  for (const goldens::ChatGolden &golden : goldens::chatGoldens) {
    Result<ChatTemplate> chat = ChatTemplate::named(golden.model, "<BOS>");
    if (!chat)
      continue; // llama3.2 and qwen3-thinking have no name of their own
    ++compared;
    EXPECT_EQ(*chat->render(conversation(golden.conversation), {golden.addGenerationPrompt, golden.enableThinking, ""}),
              golden.text)
        << golden.model << ", conversation " << golden.conversation;
  }
  EXPECT_GE(compared, 6 * goldens::conversations.size());
}

TEST(ChatTemplate, takesAnotherDate) {
  Result<ChatTemplate> chat = ChatTemplate::fromJinja(jinjaOf("llama3.1"), "");
  ASSERT_TRUE(chat);
  std::vector<ChatMessage> hello = {{"user", "hello"}};
  EXPECT_NE(chat->render(hello)->find("Today Date: 26 Jul 2024\n"), std::string::npos);
  EXPECT_NE(chat->render(hello, {.date = "01 Jan 2000"})->find("Today Date: 01 Jan 2000\n"), std::string::npos);
}

TEST(ChatTemplate, todayIsTheClocks) {
  Result<ChatTemplate> chat = ChatTemplate::fromJinja(jinjaOf("llama3.2"), "");
  ASSERT_TRUE(chat);
  std::vector<ChatMessage> hello = {{"user", "hello"}};
  char today[32];
  std::time_t now = std::time(nullptr);
  std::strftime(today, sizeof(today), "Today Date: %d %b %Y\n", std::localtime(&now));
  EXPECT_NE(chat->render(hello)->find(today), std::string::npos) << *chat->render(hello);
}

TEST(ChatTemplate, defaultSystemStandsInEitherQuotes) {
  EXPECT_EQ(
      recognizeChatTemplate("{{ \"<|im_start|>system\\nIt's me.<|im_end|>\\n\" }}{{ '<|im_start|>' + message.role }}")
          .defaultSystem,
      "It's me.");
  EXPECT_EQ(recognizeChatTemplate("{{ '<|im_start|>' + message.role + '<|im_end|>' }}").defaultSystem, "");
}

TEST(ChatTemplate, unknownOnesNameTheFlag) {
  Result<ChatTemplate> chat = ChatTemplate::fromJinja(jinjaOf("unknown"), "<s>");
  ASSERT_FALSE(chat);
  EXPECT_EQ(chat.error().message, "this model's chat template is of no known family: choose one with --chat-template "
                                  "NAME, of none, chatml, smollm2, qwen2.5, qwen3, llama3, llama3.1");
  chat = ChatTemplate::fromJinja("", "<s>");
  ASSERT_FALSE(chat);
  EXPECT_NE(chat.error().message.find("no chat template"), std::string::npos);
  chat = ChatTemplate::named("gpt5", "<s>");
  ASSERT_FALSE(chat);
  EXPECT_EQ(chat.error().message.find("unknown chat template 'gpt5'"), 0u);
}

TEST(ChatTemplate, refusesOtherRoles) {
  Result<ChatTemplate> chat = ChatTemplate::named("chatml", "");
  ASSERT_TRUE(chat);
  std::vector<ChatMessage> messages = {{"tool", "1"}};
  EXPECT_EQ(chat->render(messages).error().message,
            "the role of a message is 'system', 'user' or 'assistant', not 'tool'");
  EXPECT_FALSE(chat->render({}));
}

} // namespace
