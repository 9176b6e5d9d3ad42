// SPDX-License-Identifier: Apache-2.0
// eval, tokenize, bench and soak, over the toy model.
#include "runtime/cli/Perplexity.h"
#include "runtime/cli/TokenIds.h"
#include "tests/runtime/ToyModel.h"
#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <gmock/gmock.h>

using namespace sinter::rt;
using testing::HasSubstr;
using testing::StartsWith;
using toy::Outcome;
using Ids = std::vector<int32_t>;

namespace {

namespace json = boost::json;

class CliEvalTest : public toy::ToyModelTest {};

/// The toy model's logits after `context`, in float64.
std::vector<double> referenceLogits(const Ids &context) {
  std::vector<double> row(toy::vocab);
  for (int32_t v = 0; v < toy::vocab; ++v)
    row[static_cast<size_t>(v)] = -0.01 * v;
  row[static_cast<size_t>(toy::nextToken(context))] = 8;
  return row;
}

double referenceNll(const Ids &context, int32_t token) {
  double sum = 0;
  std::vector<double> row = referenceLogits(context);
  for (double logit : row)
    sum += std::exp(logit);
  return std::log(sum) - row[static_cast<size_t>(token)];
}

TEST_F(CliEvalTest, LogitsOfEveryPositionBothWays) {
  Ids tokens;
  for (int32_t i = 0; i < 50; ++i) // more than a step holds
    tokens.push_back(i * 13 % toy::vocab);
  std::ofstream(inDirectory("ids.json")) << json::serialize(json::value_from(tokens));
  for (bool decode : {false, true}) {
    std::vector<std::string> arguments = {"eval", "--token-ids", inDirectory("ids.json"), "--logits",
                                          inDirectory("out")};
    if (decode)
      arguments.push_back("--decode");
    Outcome got = call(arguments);
    ASSERT_EQ(got.code, 0) << got.err;
    std::string file = *readWholeFile(inDirectory("out"));
    uint64_t headerBytes = 0;
    std::memcpy(&headerBytes, file.data(), 8);
    json::value header = json::parse(json::string_view(file.data() + 8, headerBytes));
    EXPECT_EQ(json::serialize(header.at("logits").at("shape")), "[50,97]");
    EXPECT_EQ((8 + headerBytes) % 64, 0u);
    ASSERT_EQ(file.size(), 8 + headerBytes + 50 * 97 * 4);
    std::vector<float> logits(50 * 97);
    std::memcpy(logits.data(), file.data() + 8 + headerBytes, logits.size() * 4);
    for (size_t t = 0; t < 50; ++t) {
      std::vector<double> row = referenceLogits(Ids(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(t) + 1));
      for (size_t v = 0; v < 97; ++v)
        ASSERT_FLOAT_EQ(logits[t * 97 + v], static_cast<float>(row[v])) << t << ' ' << v << ' ' << decode;
    }
  }
}

TEST_F(CliEvalTest, LogitsFromTheEndOfAPromptOnAmongOthers) {
  Ids tokens;
  for (int32_t i = 0; i < 50; ++i)
    tokens.push_back(i * 13 % toy::vocab);
  std::ofstream(inDirectory("ids.json")) << json::serialize(json::value_from(tokens));
  std::vector<std::string> arguments = {
      "eval", "--token-ids", inDirectory("ids.json"), "--logits", inDirectory("out"), "--from", "40"};
  for (const char *more : {"", "--decode", "--beside=3"}) {
    if (*more)
      arguments.push_back(more);
    Outcome got = call(arguments);
    ASSERT_EQ(got.code, 0) << got.err;
    std::string file = *readWholeFile(inDirectory("out"));
    ASSERT_NE(file.find("[11,97]"), std::string::npos);
    std::vector<float> logits(11 * 97);
    std::memcpy(logits.data(), file.data() + file.size() - logits.size() * 4, logits.size() * 4);
    for (ptrdiff_t t = 0; t < 11; ++t) {
      std::vector<double> row = referenceLogits(Ids(tokens.begin(), tokens.begin() + 40 + t));
      for (ptrdiff_t v = 0; v < 97; ++v)
        ASSERT_FLOAT_EQ(logits[static_cast<size_t>(t * 97 + v)], static_cast<float>(row[static_cast<size_t>(v)]))
            << t << ' ' << v << ' ' << more;
    }
  }
}

TEST_F(CliEvalTest, PerplexityIsThatOfTheWindows) {
  std::string text =
      "The quick brown fox jumps over the lazy dog, twice; then it sleeps. And that is the end of it, for now.";
  std::ofstream(inDirectory("text")) << text;
  Ids tokens;
  for (char c : text)
    tokens.push_back(c - 0x20);
  const size_t context = 24, stride = 9;
  double nll = 0;
  size_t scored = 1;
  for (size_t begin = 0; scored < tokens.size(); begin += stride)
    for (; scored < std::min(begin + context, tokens.size()); ++scored)
      nll += referenceNll(
          Ids(tokens.begin() + static_cast<ptrdiff_t>(begin), tokens.begin() + static_cast<ptrdiff_t>(scored)),
          tokens[scored]);
  Outcome got = call({"eval", "--text", inDirectory("text"), "--ctx", "24", "--stride", "9", "--json"});
  ASSERT_EQ(got.code, 0) << got.err;
  json::object result = json::parse(got.out).as_object();
  EXPECT_EQ(result["scored"].to_number<size_t>(), tokens.size() - 1);
  EXPECT_NEAR(result["nll"].to_number<double>(), nll, 1e-4);
  double ppl = std::exp(nll / static_cast<double>(tokens.size() - 1));
  EXPECT_NEAR(result["ppl"].to_number<double>() / ppl, 1, 1e-6);
  Outcome shown = call({"eval", "--text", inDirectory("text"), "--ctx", "24", "--stride", "9"});
  EXPECT_THAT(shown.out, StartsWith("tokens 103, scored 102 (windows of 24 every 9)\nnll "));
}

TEST(PerplexityWindowsTest, EveryTokenButTheFirstIsScoredOnce) {
  for (size_t tokens : {2, 3, 10, 24, 25, 100})
    for (size_t context : {2, 7, 24})
      for (size_t stride = 1; stride < context; ++stride) {
        size_t next = 1;
        for (const PerplexityWindow &window : perplexityWindows(tokens, context, stride)) {
          EXPECT_LE(window.end - window.begin, context);
          EXPECT_GT(window.firstScored, window.begin);
          EXPECT_EQ(window.firstScored, next);
          next = window.end;
        }
        EXPECT_EQ(next, tokens);
      }
  EXPECT_EQ(perplexityWindows(10, 5, 5).size(), 2u);
  EXPECT_EQ(perplexityWindows(10, 5, 5)[1].firstScored, 6u);
  EXPECT_EQ(perplexityWindows(11, 5, 5).size(), 2u); // a last window of one token scores nothing
  EXPECT_TRUE(perplexityWindows(1, 5, 5).empty());
}

TEST_F(CliEvalTest, WrongUseIsOneLineAndLeavesNothingBehind) {
  std::ofstream(inDirectory("ids")) << "1 2\n3, 4";
  std::ofstream(inDirectory("many")) << "[" << std::string(2 * 70 - 1, '1') << "]";
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } cases[] = {
      {{"eval"}, "eval takes --text FILE or --token-ids FILE"},
      {{"eval", "--token-ids", "ids", "--decode"}, "--decode goes with --logits"},
      {{"eval", "--token-ids", "ids", "--from", "2"}, "--from goes with --logits"},
      {{"eval", "--token-ids", "ids", "--from", "5", "--logits", "out"}, "--from is 5, there are 4 tokens"},
      {{"eval", "--token-ids", "ids", "--ctx", "65"}, "--ctx is 65, expected 2 to 64"},
      {{"eval", "--token-ids", "ids", "--ctx", "8", "--stride", "9"}, "--stride is 9, expected at most --ctx, 8"},
      {{"eval", "--token-ids", "many"}, "token id 1: expected a number, found '1111"},
      {{"eval", "--token-ids", "none"}, "none: cannot open: No such file or directory"},
      {{"eval", "--token-ids", "ids", "--logits", "nowhere/out"},
       "nowhere/out: cannot create: No such file or directory"},
  };
  std::filesystem::current_path(directory);
  for (const auto &[arguments, message] : cases) {
    Outcome got = call(arguments);
    EXPECT_EQ(got.code, 1) << message;
    EXPECT_THAT(got.err, HasSubstr(message));
    EXPECT_EQ(got.err.find('\n'), got.err.size() - 1) << got.err;
  }
  std::string list = "1";
  for (int i = 0; i < 69; ++i)
    list += ",1";
  std::ofstream("many") << list;
  Outcome tooLong = call({"eval", "--token-ids", "many", "--logits", "out"});
  EXPECT_THAT(tooLong.err, HasSubstr("the prompt has 70 tokens"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator("."), {}), 3); // toy, ids, many; no part of out
  std::filesystem::current_path("/");
}

TEST(TokenIdsTest, BothForms) {
  EXPECT_EQ(*parseTokenIds(" [1, 2,3]\n", "f", 10), (Ids{1, 2, 3}));
  EXPECT_EQ(*parseTokenIds("1 2\n3,4 , 5", "f", 10), (Ids{1, 2, 3, 4, 5}));
  EXPECT_EQ(parseTokenIds("[]", "f", 10).error().message, "f: expected at least one token id");
  EXPECT_EQ(parseTokenIds("1,2,", "f", 10).error().message, "f: expected a token id after the last comma");
  EXPECT_EQ(parseTokenIds("1 2x", "f", 10).error().message, "f: token id 2: expected a number, found '2x'");
  EXPECT_EQ(parseTokenIds("1 -2", "f", 10).error().message, "f: token id 2 is -2, the vocabulary has ids 0 to 9");
}

TEST_F(CliEvalTest, TokenizeAndBack) {
  EXPECT_EQ(call({"tokenize", "Hi<eos>"}).out, "[40,73,96]\n");
  EXPECT_EQ(call({"tokenize"}, "a\nb").out, "[65,95,66]\n");
  EXPECT_EQ(call({"tokenize", "--decode", "[40,73]"}).out, "Hi\n");
  EXPECT_EQ(call({"tokenize", "--decode", "40 73"}).out, "Hi\n");
  EXPECT_EQ(call({"tokenize", "--jsonl", "-"}, "\"Hi\"\n\"\"\n\"a\\nb\"\n").out, "[40,73]\n[]\n[65,95,66]\n");
  EXPECT_EQ(call({"tokenize", "--jsonl", "-", "--decode"}, "[40,73]\n[]\n").out, "\"Hi\"\n\"\"\n");
  Outcome bad = call({"tokenize", "--jsonl", "-"}, "\"Hi\"\nHi\n");
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.err, HasSubstr("line 2"));
  EXPECT_EQ(call({"tokenize", "--jsonl", "/no/file"}).err,
            "toy: error: /no/file: cannot open: No such file or directory\n");
  EXPECT_EQ(call({"tokenize"}).err, "toy: error: nothing to tokenize: give TEXT, --jsonl FILE or standard input\n");
}

TEST_F(CliEvalTest, BenchPrintsItsTables) {
  std::vector<std::string> base = {"bench", "-p", "5,20", "-n", "7", "-r", "2", "--threads", "2"};
  auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), more.begin(), more.end());
    Outcome got = call(arguments);
    EXPECT_EQ(got.code, 0) << got.err;
    return got.out;
  };
  std::string table = with({});
  for (const char *part : {"| model ", " t/s |", " pp5 |", " pp20 |", " tg7 |", "peak memory"})
    EXPECT_THAT(table, HasSubstr(part));
  std::string csv = with({"-o", "csv"});
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
  json::array rows = json::parse(with({"--format", "json"})).as_array();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].at("n_prompt").as_int64(), 20);
  EXPECT_EQ(rows[2].at("n_gen").as_int64(), 7);
  EXPECT_EQ(rows[2].at("samples_ts").as_array().size(), 2u);
  EXPECT_GT(rows[2].at("avg_ts").as_double(), 0);
  EXPECT_THAT(call({"bench", "-p", "65"}).err, HasSubstr("pp65: the prompt has 65 tokens"));
}

TEST_F(CliEvalTest, BenchTimesKernels) {
  Outcome got = call({"bench", "-p", "8", "-n", "0", "-r", "3", "-o", "json", "--kernels"});
  ASSERT_EQ(got.code, 0) << got.err;
  json::value row = json::parse(got.out).at(0);
  EXPECT_GT(row.at("read_bandwidth").as_double(), 1e8);
  std::map<std::string, double> calls;
  for (const json::value &kernel : row.at("kernels").as_array())
    calls[std::string(kernel.at("kernel").as_string())] = kernel.at("calls_per_step").as_double();
  EXPECT_EQ(calls, (std::map<std::string, double>{{"k00_embed", 1}, {"k01_layer", 2}, {"k02_head", 1}}));
}

TEST_F(CliEvalTest, BenchRunsManyAtOnce) {
  Outcome got =
      call({"bench", "-c", "1,4", "--context", "20", "--steps", "6", "--requests", "9x5x7", "-r", "2", "-o", "json"});
  ASSERT_EQ(got.code, 0) << got.err;
  json::array rows = json::parse(got.out).as_array();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].at("test").as_string(), "tg1@20");
  EXPECT_EQ(rows[0].at("steps").as_int64(), 12);
  EXPECT_EQ(rows[1].at("test").as_string(), "tg4@20");
  EXPECT_EQ(rows[1].at("n_sequences").as_int64(), 4);
  EXPECT_NEAR(rows[1].at("avg_ts").as_double() * rows[1].at("median_seconds").as_double(), 4 * 6, 12);
  EXPECT_EQ(rows[2].at("test").as_string(), "9x(5+7)");
  EXPECT_GT(rows[2].at("first_token_seconds").as_double(), 0);
  EXPECT_THAT(call({"bench", "-c", "7"}).err, HasSubstr("tg7@1024: 7 sequences at once, a step has 6 at most"));
  EXPECT_THAT(call({"bench", "--requests", "9x5"}).err, HasSubstr("expected REQUESTSxPROMPTxOUTPUT"));
}

TEST_F(CliEvalTest, BenchSumsUpStepsBySize) {
  // Two prompts of 9 fit a step of 18 tokens, then both decode.
  Outcome got = call({"bench", "--requests", "2x9x5", "-r", "3", "-o", "json", "--by-step"});
  ASSERT_EQ(got.code, 0) << got.err;
  int64_t steps = 0, tokens = 0;
  json::value row = json::parse(got.out).at(0);
  for (const json::value &size : row.at("by_step").as_array()) {
    steps += size.at("steps").as_int64();
    tokens += size.at("tokens").as_int64();
    EXPECT_GT(size.at("seconds").as_double(), 0);
    EXPECT_LE(size.at("tokens").as_int64(), size.at("steps").as_int64() * size.at("most_tokens").as_int64());
    EXPECT_EQ(size.at("decode").as_bool(), size.at("tokens") == size.at("sequences"));
  }
  EXPECT_EQ(steps, row.at("steps").as_int64());
  EXPECT_EQ(tokens, 3 * 2 * (9 + 4));
  std::string table = call({"bench", "--requests", "2x9x5", "-r", "1", "--by-step"}).out;
  for (const char *part : {"2x(9+5), by tokens a step\n", "| decode to 2 ", "| mixed to "})
    EXPECT_THAT(table, HasSubstr(part));
}

TEST_F(CliEvalTest, SoakLosesNothing) {
  Outcome got = call({"soak", "--steps", "600", "--threads", "2", "--kv-memory", "1KiB"});
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("none lost\nmemory "));
  EXPECT_EQ(got.out.find(" 0 preemptions"), std::string::npos) << got.out;
}

} // namespace
