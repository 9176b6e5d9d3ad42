// SPDX-License-Identifier: Apache-2.0
// The toy plan as a file with a payload, as the compiler would have written it, and a way to run commands on it.
#pragma once
#include "runtime/cli/CommandLine.h"
#include "runtime/support/PayloadWriter.h"
#include "runtime/text/TokenizerData.h"
#include "tests/runtime/ToyPlan.h"
#include <filesystem>
#include <gtest/gtest.h>
#include <sstream>

namespace sinter::rt::toy {

inline constexpr int32_t eosToken = 96;

/// Ids 0 to 94 are the bytes from 0x20 on, 95 is a line feed, 96 is the special token <eos>.
inline TokenizerData makeTokenizer() {
  TokenizerData data;
  data.splits.push_back({.regex = "[\\s\\S]"});
  for (int32_t id = 0; id < 95; ++id)
    data.pieces.push_back({.text = std::string(1, static_cast<char>(0x20 + id))});
  data.pieces.push_back({.text = "\n"});
  data.pieces.push_back({.text = "<eos>", .type = PieceType::Control, .encodable = false});
  data.addedTokens.push_back({.id = eosToken, .content = "<eos>", .special = true});
  data.eosId = eosToken;
  return data;
}

inline constexpr const char *info =
    R"({"model": "toy", "architecture": "sums", "target": "cpu:test", "parameters": 97,
        "quantization": {"i32": 388}, "generation": {"eos_token_ids": [96], "temperature": null},
        "chat_template": null, "compiler": "by hand", "build": {"cxx": "none"}})";

struct Outcome {
  int code = -1;
  std::string out, err;
};

class ToyModelTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "toy.XXXXXX";
    directory = mkdtemp(pattern.data());
    path = directory + "/toy";
    write(makeTokenizer(), info);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  /// An empty optional: no tokenizer.
  void write(const std::optional<TokenizerData> &tokenizer, const std::string &infoText) {
    std::filesystem::remove(path);
    std::vector<int32_t> words = makeWeights();
    auto writer = PayloadWriter::append(path);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->add("info", infoText.data(), infoText.size()));
    if (tokenizer) {
      std::vector<uint8_t> bytes = serialize(*tokenizer);
      ASSERT_TRUE(writer->add("tokenizer", bytes.data(), bytes.size()));
    }
    ASSERT_TRUE(writer->add("weights", words.data(), words.size() * 4));
    ASSERT_TRUE(writer->finish());
  }

  /// As from a shell, with `input` piped in; a terminal if there is none.
  Outcome call(std::vector<std::string> arguments, std::optional<std::string> input = {}) {
    std::istringstream in(input.value_or(""));
    std::ostringstream out, err;
    Console console{in, out, err, !input.has_value(), false};
    int code = runCommandLine("toy", arguments, plan, [this] { return Payload::open(path); }, console);
    return {code, out.str(), err.str()};
  }

  std::string inDirectory(const std::string &name) const { return directory + "/" + name; }

  std::string directory, path;
};

/// `count` tokens after `tokens`; ends at <eos> unless `ignoreEos`.
inline std::vector<int32_t> expectedTokens(std::vector<int32_t> tokens, int count, bool ignoreEos = true) {
  std::vector<int32_t> output;
  while (static_cast<int>(output.size()) < count) {
    output.push_back(nextToken(tokens));
    tokens.push_back(output.back());
    if (!ignoreEos && output.back() == eosToken)
      break;
  }
  return output;
}

} // namespace sinter::rt::toy
