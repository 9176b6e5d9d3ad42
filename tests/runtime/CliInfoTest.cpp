// SPDX-License-Identifier: Apache-2.0
// What an executable says of itself, over the toy model: info, usage, and where its weights are.
#include "tests/runtime/ToyCudaPlan.h"
#include "tests/runtime/ToyModel.h"
#include <boost/json.hpp>
#include <fstream>
#include <gmock/gmock.h>

using namespace sinter::rt;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using toy::Outcome;
using Ids = std::vector<int32_t>;

namespace {

namespace json = boost::json;

class CliInfoTest : public toy::ToyModelTest {};

TEST_F(CliInfoTest, InfoShowsAndVerifies) {
  Outcome shown = call({"info"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  for (const char *part : {"toy\n", "architecture", "sums", "cpu:test", "kv per token", "8 B", "weights"})
    EXPECT_THAT(shown.out, HasSubstr(part));
  json::object all = json::parse(call({"info", "--json"}).out).as_object();
  EXPECT_EQ(all["model"].as_string(), "toy");
  EXPECT_EQ(all["plan"].at("memory").at("kv_per_full_sequence").to_number<int>(), 16 * 4 * 8);
  EXPECT_EQ(all["payload"].at("sections").as_array().size(), 3u);
  EXPECT_THAT(call({"info", "--verify"}).out, HasSubstr("every checksum is right\n"));
  auto payload = Payload::open(path);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
      .seekp(static_cast<std::streamoff>(payload->find("weights")->offset) + 70)
      .put('!');
  EXPECT_THAT(call({"info", "--verify"}).err, HasSubstr("section 'weights' is damaged"));
  EXPECT_THAT(call({"run", "--token-ids", "1"}).err, HasSubstr("section 'weights' is damaged"));
  EXPECT_EQ(call({"info"}).code, 0);
}

TEST_F(CliInfoTest, InfoOfAGpusModel) {
  auto callCuda = [&](const std::vector<std::string> &arguments) {
    std::istringstream in;
    std::ostringstream out, err;
    Console console{in, out, err, false, false};
    EXPECT_EQ(runCommandLine("toy", arguments, toy::cudaPlan, [&] { return Payload::open(path); }, console), 0);
    return out.str();
  };
  std::string shown = callCuda({"info"});
  EXPECT_THAT(shown, HasSubstr("5 for sm_90a\n"));
  EXPECT_THAT(shown, HasSubstr("memory of the GPU\n"));
  for (const char *part : {"cpu features", "scratch"})
    EXPECT_THAT(shown, Not(HasSubstr(part)));
  json::object plan = json::parse(callCuda({"info", "--json"})).at("plan").as_object();
  EXPECT_FALSE(plan.contains("cpu_features"));
  EXPECT_FALSE(plan["limits"].as_object().contains("buckets"));
  EXPECT_EQ(plan["memory"].at("logits").to_number<uint64_t>(), 24u * 97 * 4) << "rows of the largest list";
  EXPECT_EQ(plan["memory"].at("workspace").to_number<uint64_t>(), 64u + 16) << "with counters";
  EXPECT_EQ(plan["cuda"].at("kernels").at(2).at("cluster").to_number<int>(), 16);
}

TEST_F(CliInfoTest, UsageSpeaksOfTheModelAndEveryCommandHasHelp) {
  Outcome usage = call({});
  EXPECT_EQ(usage.code, 0);
  EXPECT_THAT(usage.out,
              StartsWith("toy, compiled by Sinter for cpu:test: 452 B of weights, up to 64 tokens a sequence"));
  EXPECT_EQ(call({"--help"}).out, usage.out);
  for (const char *command : {"run", "chat", "bench", "eval", "soak", "tokenize", "info"}) {
    EXPECT_THAT(usage.out, HasSubstr(std::string("\n  ") + command));
    Outcome help = call({command, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, HasSubstr("Usage: toy " + std::string(command)));
  }
}

TEST_F(CliInfoTest, WeightsInAFileOfTheirOwn) {
  std::vector<int32_t> words = toy::makeWeights();
  auto apart = PayloadWriter::append(inDirectory("toy.weights"));
  ASSERT_TRUE(apart->add("weights", words.data(), words.size() * 4));
  char checksum[17];
  std::snprintf(checksum, sizeof(checksum), "%016lx", apart->sections()[0].checksum);
  ASSERT_TRUE(apart->finish());
  auto writeInfo = [&](const std::string &sum) {
    std::filesystem::remove(path);
    std::string info = R"({"model": "toy", "weights": {"file": "toy.weights", "checksum": ")" + sum + "\"}}";
    auto writer = PayloadWriter::append(path);
    ASSERT_TRUE(writer->add("info", info.data(), info.size()) && writer->finish());
  };
  writeInfo(checksum);
  Outcome got = call({"run", "--token-ids", "3", "--max-tokens", "2", "--ignore-eos"});
  Ids expected = toy::expectedTokens({3}, 2);
  EXPECT_EQ(got.out, std::to_string(expected[0]) + "," + std::to_string(expected[1]) + "\n") << got.err;
  writeInfo("0123456789abcdef");
  EXPECT_EQ(call({"run", "--token-ids", "3"}).err,
            "toy: error: " + inDirectory("toy.weights") + ": holds the weights of another model than " + path + "\n");
}

} // namespace
