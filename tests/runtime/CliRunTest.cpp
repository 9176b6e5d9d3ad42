// SPDX-License-Identifier: Apache-2.0
// run, over the toy model: streaming, batches, JSON, stops, and every way to use it wrongly.
#include "runtime/text/Tokenizer.h"
#include "tests/runtime/ToyModel.h"
#include <boost/json.hpp>
#include <fstream>
#include <gmock/gmock.h>

using namespace sinter::rt;
using testing::HasSubstr;
using toy::expectedTokens;
using toy::Outcome;
using Ids = std::vector<int32_t>;

namespace {

namespace json = boost::json;

class CliRunTest : public toy::ToyModelTest {
protected:
  /// `tokenize` is tested apart; here it says what the model's answer must look like.
  std::string textOf(const Ids &ids) {
    std::string text;
    for (int32_t id : ids)
      text += id < 95 ? std::string(1, static_cast<char>(0x20 + id)) : id == 95 ? "\n" : "";
    return text;
  }
  Ids idsOf(const std::string &text) {
    Ids ids;
    for (char c : text)
      ids.push_back(c == '\n' ? 95 : c - 0x20);
    return ids;
  }
  std::vector<json::object> objects(const std::string &text) {
    std::vector<json::object> all;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      all.push_back(json::parse(line).as_object());
    return all;
  }
};

TEST_F(CliRunTest, StreamsTheAnswerToOnePrompt) {
  Outcome got = call({"run", "--raw", "Hello", "--max-tokens", "20", "--ignore-eos", "--threads", "2"});
  EXPECT_EQ(got.err, "");
  EXPECT_EQ(got.code, 0);
  EXPECT_EQ(got.out, textOf(expectedTokens(idsOf("Hello"), 20)) + "\n");
}

TEST_F(CliRunTest, PromptsOfAFileAreAnsweredTogetherAndInOrder) {
  std::ofstream(inDirectory("prompts")) << "first\r\n\nsecond, which is longer\nx\n";
  Outcome got =
      call({"run", "--raw", "--prompts", inDirectory("prompts"), "--json", "--max-tokens", "9", "--ignore-eos"});
  ASSERT_EQ(got.code, 0) << got.err;
  std::vector<json::object> answers = objects(got.out);
  ASSERT_EQ(answers.size(), 3u);
  const char *prompts[] = {"first", "second, which is longer", "x"};
  for (size_t i = 0; i < 3; ++i) {
    Ids expected = expectedTokens(idsOf(prompts[i]), 9);
    EXPECT_EQ(json::value_to<Ids>(answers[i]["token_ids"]), expected);
    EXPECT_EQ(answers[i]["text"].as_string(), textOf(expected));
    EXPECT_EQ(answers[i]["finish_reason"].as_string(), "length");
    EXPECT_EQ(answers[i]["prompt_tokens"].to_number<size_t>(), std::strlen(prompts[i]));
    EXPECT_FALSE(answers[i].contains("logprobs"));
    for (const char *phase : {"queue", "prefill", "decode", "time_to_first_token"})
      EXPECT_GE(answers[i]["timings"].at(phase).to_number<double>(), 0) << phase;
  }
  Outcome piped = call({"run", "--raw", "--max-tokens", "9", "--ignore-eos"}, "ab\ncd\n");
  EXPECT_EQ(piped.out, "> ab\n" + textOf(expectedTokens(idsOf("ab"), 9)) + "\n\n> cd\n" +
                           textOf(expectedTokens(idsOf("cd"), 9)) + "\n\n");
}

TEST_F(CliRunTest, TokenIdsWithAndWithoutTokenizer) {
  Ids expected = expectedTokens({5, 7, 9}, 4);
  Outcome with = call({"run", "--token-ids", "5,7,9", "--max-tokens", "4", "--ignore-eos"});
  EXPECT_EQ(with.out, textOf(expected) + "\n");
  write({}, toy::info);
  Outcome without = call({"run", "--token-ids", "5 7 9", "--max-tokens", "4", "--ignore-eos"});
  std::string list;
  for (int32_t id : expected)
    list += (list.empty() ? "" : ",") + std::to_string(id);
  EXPECT_EQ(without.out, list + "\n");
  Outcome asJson = call({"run", "--token-ids", "5,7,9", "--max-tokens", "4", "--ignore-eos", "--json"});
  json::object object = objects(asJson.out).at(0);
  EXPECT_TRUE(object["text"].is_null());
  EXPECT_EQ(json::value_to<Ids>(object["token_ids"]), expected);
  Outcome text = call({"run", "Hello"});
  EXPECT_EQ(text.code, 1);
  EXPECT_EQ(text.err, "toy: error: toy was compiled without a tokenizer: it takes --token-ids and gives token ids\n");
}

TEST_F(CliRunTest, StopStringEndsBeforeIt) {
  std::string whole = textOf(expectedTokens(idsOf("stop?"), 30)), stop = whole.substr(11, 3);
  Outcome got =
      call({"run", "--raw", "stop?", "--max-tokens", "30", "--ignore-eos", "--stop", "\x01", "--stop", stop, "--json"});
  json::object answer = objects(got.out).at(0);
  EXPECT_EQ(answer["finish_reason"].as_string(), "stop");
  EXPECT_EQ(answer["text"].as_string(), whole.substr(0, whole.find(stop)));
}

TEST_F(CliRunTest, EndsAtTheModelsEndOfText) {
  // Some short prompt's answer contains <eos>; it ends there, and goes on with --ignore-eos.
  for (int32_t first = 0; first < 95; ++first) {
    Ids tokens = expectedTokens({first}, 40, /*ignoreEos=*/false);
    if (tokens.back() != toy::eosToken || tokens.size() < 2)
      continue;
    Outcome got = call({"run", "--token-ids", std::to_string(first), "--max-tokens", "40", "--json"});
    json::object answer = objects(got.out).at(0);
    EXPECT_EQ(json::value_to<Ids>(answer["token_ids"]), tokens);
    EXPECT_EQ(answer["finish_reason"].as_string(), "stop");
    return;
  }
  FAIL() << "no prompt of one token leads to <eos>";
}

TEST_F(CliRunTest, LogprobsAreOfTheModelsDistribution) {
  Outcome got = call({"run", "--token-ids", "5", "--max-tokens", "3", "--ignore-eos", "--json", "--logprobs", "2"});
  json::object answer = objects(got.out).at(0);
  json::array &logprobs = answer["logprobs"].as_array();
  ASSERT_EQ(logprobs.size(), 3u);
  Ids expected = expectedTokens({5}, 3);
  for (size_t i = 0; i < 3; ++i) {
    double sum = 0; // of exp(logit) over the row whose peak, 8, is at expected[i]
    for (int32_t v = 0; v < toy::vocab; ++v)
      sum += std::exp(v == expected[i] ? 8.0 : -0.01 * v);
    EXPECT_EQ(logprobs[i].at("token_id").to_number<int32_t>(), expected[i]);
    EXPECT_NEAR(logprobs[i].at("logprob").to_number<double>(), 8 - std::log(sum), 1e-5);
    EXPECT_EQ(logprobs[i].at("top").as_array().size(), 2u);
  }
}

TEST_F(CliRunTest, SamplingFlagsReachTheSampler) {
  std::vector<std::string> base = {"run", "--token-ids", "1,2,3", "--max-tokens", "12", "--ignore-eos", "--json"};
  auto ids = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), more.begin(), more.end());
    Outcome got = call(arguments);
    EXPECT_EQ(got.code, 0) << got.err;
    return json::value_to<Ids>(objects(got.out).at(0)["token_ids"]);
  };
  Ids greedy = ids({});
  EXPECT_EQ(ids({"--logit-bias", "42:1000"}), Ids(12, 42));
  EXPECT_EQ(ids({"--logit-bias", "42:-5", "--logit-bias", "17:1000"}), Ids(12, 17));
  Ids hot = ids({"--temperature", "50", "--seed", "7"});
  EXPECT_NE(hot, greedy);
  EXPECT_EQ(hot, ids({"--temperature", "50", "--seed", "7"}));
  EXPECT_NE(hot, ids({"--temperature", "50", "--seed", "8"}));
  EXPECT_EQ(ids({"--temperature", "50", "--seed", "7", "--top-k", "1"}), greedy);
  EXPECT_EQ(ids({"--temperature", "50", "--seed", "7", "--min-p", "1"}), greedy);
  // Biased to 42 by less than the penalty for having said it.
  EXPECT_NE(ids({"--logit-bias", "42:9", "--frequency-penalty", "2"}), Ids(12, 42));
}

TEST_F(CliRunTest, WrongUseIsOneLineAndExitCodeOne) {
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } cases[] = {
      {{"run"},
       "nothing to run: give PROMPT, --prompts FILE, --token-ids IDS, or prompts on standard input, one a line"},
      {{"run", "--raw", "x", "--logit-bias", "5"}, "--logit-bias 5: expected ID:BIAS, a token id and a number"},
      {{"run", "--token-ids", "5,,6"}, "--token-ids: token id 2: expected a number, found ''"},
      {{"run", "--token-ids", "5,97"}, "--token-ids: token id 2 is 97, the vocabulary has ids 0 to 96"},
      {{"run", "--raw", "x", "--kv-memory", "lots"}, "expected a size such as 512MiB, found 'lots'"},
      {{"run", "--raw", "x", "--max-tokens", "abc"}, "--max-tokens"},
      {{"run", "--raw", "x", "--threads", "0"}, "--threads"},
      {{"run", "--raw", "x", "--nonsense"}, "--nonsense"},
      {{"run", "--raw", "x", "--temperature", "-1"}, "temperature"},
      {{"run", "--raw", "x", "--prompts", "f"}, "--prompts"},
      {{"run", "--raw", "--prompts", "/nonexistent/f"}, "/nonexistent/f: cannot open: No such file or directory"},
      {{"run", "--raw", std::string(70, 'x')}, "the prompt has 70 tokens"},
      {{"walk"}, "walk"},
  };
  for (const auto &[arguments, message] : cases) {
    Outcome got = call(arguments);
    EXPECT_EQ(got.code, 1) << message;
    EXPECT_EQ(got.out, "");
    EXPECT_THAT(got.err, HasSubstr(message));
    EXPECT_EQ(got.err.find('\n'), got.err.size() - 1) << got.err;
  }
  Outcome noLines = call({"run", "--raw"}, "\n\n");
  EXPECT_EQ(noLines.err, "toy: error: standard input: no prompts, expected one a line\n");
}

TEST_F(CliRunTest, DamagedFilesAreNamedBeforeAnythingRuns) {
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  Outcome got = call({"run", "--raw", "x"});
  EXPECT_EQ(got.code, 1);
  EXPECT_EQ(got.err, "toy: error: " + path +
                         ": no payload at the end of this file: it was cut short, changed or never had one\n");
  write(toy::makeTokenizer(), R"({"generation": {}})");
  EXPECT_EQ(call({"info"}).err, "toy: error: " + path + ": section 'info': 'model' is missing\n");
  write(toy::makeTokenizer(), R"({"model": "m", "generation": {"top_k": "many"}})");
  EXPECT_EQ(call({"info"}).err, "toy: error: " + path + ": section 'info': generation.top_k: expected an integer\n");
}

TEST_F(CliRunTest, ChatKeepsItsHistoryAndForgetsOnReset) {
  Outcome got = call({"chat", "--chat-template", "chatml", "--max-tokens", "5", "--ignore-eos"},
                     "hi\n/reset\nhi\n/what\n/exit\nhi\n");
  EXPECT_EQ(got.code, 0);
  std::string answer = got.out.substr(0, got.out.find('\n') + 1);
  EXPECT_EQ(got.out, answer + answer); // the same question, asked anew; nothing after /exit
  EXPECT_EQ(got.err, "there is no /what; /reset forgets the conversation, /exit ends\n");
  Outcome twice = call({"chat", "--chat-template", "chatml", "--max-tokens", "5", "--ignore-eos"}, "hi\nhi\n");
  EXPECT_NE(twice.out, answer + answer);
}

TEST_F(CliRunTest, FlagsOfAnotherTargetAreErrors) {
  for (const char *flag : {"--gpu=0", "--check-kernels"}) {
    Outcome got = call({"run", "--raw", "Hello", flag});
    EXPECT_EQ(got.code, 1);
    std::string name = std::string(flag).substr(0, std::string(flag).find('='));
    EXPECT_EQ(got.err, "toy: error: " + name + " is for models of a GPU, this one is for cpu:test\n");
  }
}

} // namespace
