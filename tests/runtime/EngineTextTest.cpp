// SPDX-License-Identifier: Apache-2.0
// The engine's output as text: stop tokens, stop strings, text that is held back.
#include "EngineFixture.h"
#include <utility>

namespace sinter::rt {
namespace {

/// Tokens are letters, "a" is 0; a "~" waits for what comes after it, as unfinished UTF-8 does.
class Letters : public StreamDecoder {
public:
  std::string push(int32_t token) override {
    held += token == 49 ? '~' : static_cast<char>('a' + token);
    return held.ends_with('~') ? "" : std::exchange(held, "");
  }
  std::string flush() override { return held.empty() ? "" : std::exchange(held, "") + "?"; }

private:
  std::string held;
};

/// Makes the model say these tokens one after the other, whatever the context.
void script(FakeExecutor &model, std::vector<int32_t> tokens) {
  auto step = std::make_shared<size_t>(0);
  model.answer = [step, tokens](uint64_t, std::span<float> logits) {
    std::ranges::fill(logits, 0.0f);
    logits[tokens[(*step)++ % tokens.size()]] = 5;
  };
}

TEST(EngineText, StopTokens) {
  FakeExecutor model(kLimits);
  Engine engine(model, {.eosTokens = {9}});
  script(model, {1, 2, 9, 3, 4});
  auto request = [](bool ignoreEos, std::vector<int32_t> stops) {
    Request request = requestOf({5}, 5);
    request.ignoreEos = ignoreEos;
    request.stopTokens = std::move(stops);
    request.decoder = std::make_unique<Letters>();
    return request;
  };
  Completion eos = run(engine, request(false, {}));
  EXPECT_EQ(eos.tokens, (std::vector<int32_t>{1, 2, 9})) << "the stop token is a token of the output";
  EXPECT_EQ(eos.text, "bc") << "and not of its text";
  EXPECT_EQ(eos.reason, FinishReason::Stop);
  script(model, {1, 2, 9, 3, 4});
  Completion ignored = run(engine, request(true, {}));
  EXPECT_EQ(ignored.text, "bcjde");
  EXPECT_EQ(ignored.reason, FinishReason::Length);
  script(model, {1, 2, 9, 3, 4});
  EXPECT_EQ(run(engine, request(true, {3})).text, "bcj") << "other stop tokens are not ignored";
}

TEST(EngineText, StopStringsAcrossTokens) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  script(model, {0, 1, 2, 3, 4, 5});
  Request request = requestOf({5}, 100);
  request.stopStrings = {"cx", "de"};
  request.decoder = std::make_unique<Letters>();
  std::vector<std::string> pieces;
  request.onToken = [&](const TokenEvent &event) { pieces.emplace_back(event.text); };
  Completion done = run(engine, std::move(request));
  EXPECT_EQ(pieces, (std::vector<std::string>{"a", "b", "", "c", ""}));
  EXPECT_EQ(done.text, "abc");
  EXPECT_EQ(done.stopString, "de");
  EXPECT_EQ(done.reason, FinishReason::Stop);
  EXPECT_EQ(done.tokens.size(), 5u);
}

TEST(EngineText, HeldTextComesWithTheLastToken) {
  FakeExecutor model(kLimits);
  Engine engine(model);
  script(model, {0, 3, 49});
  Request request = requestOf({5}, 3);
  request.stopStrings = {"d~~"};
  request.decoder = std::make_unique<Letters>();
  std::string streamed;
  request.onToken = [&](const TokenEvent &event) { streamed += event.text; };
  Completion done = run(engine, std::move(request));
  EXPECT_EQ(done.text, "ad~?");
  EXPECT_EQ(streamed, done.text);
}

} // namespace
} // namespace sinter::rt
