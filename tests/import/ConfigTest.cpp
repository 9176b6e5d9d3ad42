// SPDX-License-Identifier: Apache-2.0
// config.json and generation_config.json as the hub has them and as transformers 5 saves them.
#include "compiler/import/HuggingFaceConfig.h"
#include "tests/import/TestFiles.h"
#include <gmock/gmock.h>

using namespace sinter;
using namespace sinter::test;
using llvm::json::Object;
using llvm::json::Value;
using testing::ElementsAre;

namespace {

/// The normal form of a config.
Object normalized(const std::string &text, llvm::StringRef tensorDtype = "float32") {
  TempDir dir;
  auto file = llvm::cantFail(SourceFile::open(dir.write("config.json", text)));
  auto json = parseJsonFile(*file);
  if (!json) {
    ADD_FAILURE() << llvm::toString(json.takeError());
    return {};
  }
  if (llvm::Error error = normalizeConfig(*file, json->root, tensorDtype))
    ADD_FAILURE() << llvm::toString(std::move(error));
  return std::move(json->root);
}

/// The `rope` of a config with these keys.
Value rope(const std::string &keys) {
  Object config = normalized("{\"max_position_embeddings\": 4096, " + keys + "}");
  return std::move(*config.get("rope"));
}

TEST(Config, FillsInWhatTransformersWould) {
  Object config = normalized(R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_attention_heads": 4,
                                 "extra": [1]})",
                             "bfloat16");
  EXPECT_EQ(Value(std::move(config)), Value(Object{{"architectures", {"LlamaForCausalLM"}},
                                                   {"hidden_size", 64},
                                                   {"num_attention_heads", 4},
                                                   {"num_key_value_heads", 4},
                                                   {"head_dim", 16},
                                                   {"extra", {1}},
                                                   {"dtype", "bfloat16"},
                                                   {"tie_word_embeddings", false},
                                                   {"attention_bias", false},
                                                   {"mlp_bias", false},
                                                   {"rope", Object{{"rope_type", "default"}, {"theta", 10000.0}}}}));
}

TEST(Config, KeepsWhatIsGiven) {
  Object config = normalized(R"({"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "torch_dtype": "float16", "tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true})");
  EXPECT_EQ(config.getInteger("num_key_value_heads"), 2);
  EXPECT_EQ(config.getInteger("head_dim"), 32);
  EXPECT_EQ(config.getString("dtype"), "float16");
  for (llvm::StringRef key : {"tie_word_embeddings", "attention_bias", "mlp_bias"})
    EXPECT_EQ(config.getBoolean(key), true) << key.str();
}

TEST(Config, LeavesAbsentKeysAbsent) {
  Object config = normalized("{}");
  for (llvm::StringRef key : {"hidden_size", "head_dim", "num_key_value_heads", "rms_norm_eps", "architectures"})
    EXPECT_EQ(config.get(key), nullptr) << key.str();
}

TEST(Config, ReadsEitherKeyOfTheDtype) {
  EXPECT_EQ(normalized(R"({"dtype": "bfloat16"})").getString("dtype"), "bfloat16");
  EXPECT_EQ(normalized(R"({"torch_dtype": "torch.float16"})").getString("dtype"), "float16");
  EXPECT_EQ(normalized(R"({"torch_dtype": null})", "float16").getString("dtype"), "float16");
  EXPECT_EQ(normalized(R"({"dtype": "auto"})", "bfloat16").getString("dtype"), "bfloat16");
}

TEST(Config, Qwen3HasItsOwnHeadSize) {
  Object config = normalized(R"({"architectures": ["Qwen3ForCausalLM"], "hidden_size": 64, "num_attention_heads": 4})");
  EXPECT_EQ(config.getInteger("head_dim"), 128);
}

TEST(Config, AWindowThatNoLayerUsesIsIgnored) {
  normalized(R"({"use_sliding_window": false, "sliding_window": 32768, "max_window_layers": 21})");
  normalized(R"({"use_sliding_window": true, "sliding_window": 99, "max_window_layers": 2, "num_hidden_layers": 2})");
  normalized(R"({"sliding_window": 4096, "layer_types": ["full_attention", "full_attention"]})");
}

TEST(RopeConfig, BothGenerationsOfKeys) {
  Value expected = Object{{"rope_type", "linear"}, {"theta", 5e5}, {"factor", 2.5}};
  EXPECT_EQ(rope(R"("rope_theta": 500000, "rope_scaling": {"type": "linear", "factor": 2.5})"), expected);
  EXPECT_EQ(rope(R"("rope_theta": 500000, "rope_scaling": {"rope_type": "linear", "factor": 2.5})"), expected);
  EXPECT_EQ(rope(R"("rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 5e5})"), expected);
  EXPECT_EQ(rope(R"("rope_theta": 1000000.0, "rope_scaling": null)"),
            Value(Object{{"rope_type", "default"}, {"theta", 1e6}}));
}

TEST(RopeConfig, Llama3) {
  EXPECT_EQ(rope(R"("rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})"),
            Value(Object{{"rope_type", "llama3"},
                         {"theta", 5e5},
                         {"factor", 8.0},
                         {"low_freq_factor", 1.0},
                         {"high_freq_factor", 4.0},
                         {"original_max_position_embeddings", 8192.0}}));
}

TEST(RopeConfig, YarnTakesTheContextForThePretrainedOne) {
  EXPECT_EQ(rope(R"("rope_scaling": {"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.5, "beta_fast": 16,
                    "beta_slow": 2, "mscale": 0, "mscale_all_dim": 1.0, "truncate": false})"),
            Value(Object{{"rope_type", "yarn"},
                         {"theta", 1e4},
                         {"factor", 4.0},
                         {"original_max_position_embeddings", 4096},
                         {"attention_factor", 1.5},
                         {"beta_fast", 16.0},
                         {"beta_slow", 2.0},
                         {"mscale", 0.0},
                         {"mscale_all_dim", 1.0},
                         {"truncate", false}}));
}

/// The defaults that a directory with these two files states.
GenerationDefaults generation(const std::string &config, const std::string &generationConfig) {
  TempDir dir;
  if (!generationConfig.empty())
    dir.write("generation_config.json", generationConfig);
  auto file = llvm::cantFail(SourceFile::open(dir.write("config.json", config)));
  auto json = llvm::cantFail(parseJsonFile(*file));
  return llvm::cantFail(readGenerationDefaults(dir.path(), *file, json.root));
}

TEST(GenerationConfig, ReadsIdsAndSampling) {
  GenerationDefaults found = generation("{\"eos_token_id\": 9}", R"({"eos_token_id": [151645, 151643],
    "bos_token_id": 151643, "pad_token_id": 7, "temperature": 0.6, "top_k": 20, "top_p": 0.95})");
  EXPECT_THAT(found.eosTokenIds, ElementsAre(151645, 151643));
  EXPECT_EQ(found.bosTokenId, 151643);
  EXPECT_EQ(found.padTokenId, 7);
  EXPECT_EQ(found.temperature, 0.6);
  EXPECT_EQ(found.topK, 20);
  EXPECT_EQ(found.topP, 0.95);
}

TEST(GenerationConfig, FallsBackToTheConfig) {
  GenerationDefaults found = generation(R"({"eos_token_id": 2, "bos_token_id": 1, "pad_token_id": null})", "");
  EXPECT_THAT(found.eosTokenIds, ElementsAre(2));
  EXPECT_EQ(found.bosTokenId, 1);
  EXPECT_FALSE(found.padTokenId || found.temperature || found.topK || found.topP);
}

} // namespace
