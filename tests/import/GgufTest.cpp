// SPDX-License-Identifier: Apache-2.0
// GGUF files that are as they should be: metadata, names, row order, rotary parameters.
#include "compiler/import/GgufModel.h"
#include "tests/import/TestFiles.h"
#include <cmath>
#include <gmock/gmock.h>
#include <numeric>

using namespace sinter;
using namespace sinter::test;
using llvm::json::Object;
using llvm::json::Value;
using testing::ElementsAre;

namespace {

constexpr uint32_t f32Type = 0, f16Type = 1;

Checkpoint opened(const GgufBuilder &builder) {
  TempDir dir;
  return openGood(dir.write("tiny.Q4_0.gguf", builder.build()));
}

std::vector<float> counting(size_t n) {
  std::vector<float> out(n);
  std::iota(out.begin(), out.end(), 0.f);
  return out;
}

TEST(Gguf, ReadsConfigAndDefaults) {
  GgufBuilder b = tinyLlama("qwen3");
  b.u32("qwen3.block_count", 3).u32("qwen3.feed_forward_length", 24).u32("qwen3.attention.head_count_kv", 1);
  b.u32("qwen3.attention.key_length", 6).u32("qwen3.context_length", 77);
  b.f32("qwen3.attention.layer_norm_rms_epsilon", 1e-6f).f32("qwen3.rope.freq_base", 1e6f);
  b.u32("tokenizer.ggml.eos_token_id", 5).u32("tokenizer.ggml.eot_token_id", 6);
  b.u32("tokenizer.ggml.bos_token_id", 0xffffffff).u32("tokenizer.ggml.padding_token_id", 5);
  b.tensor("token_embd.weight", {8, 11}, f16Type, std::string(2 * 88, 0));
  Checkpoint checkpoint = opened(b);
  EXPECT_EQ(Value(std::move(checkpoint.config)),
            Value(Object{{"architectures", {"Qwen3ForCausalLM"}},
                         {"model_type", "qwen3"},
                         {"hidden_act", "silu"},
                         {"dtype", "float32"},
                         {"hidden_size", 8},
                         {"num_attention_heads", 2},
                         {"num_key_value_heads", 1},
                         {"num_hidden_layers", 3},
                         {"intermediate_size", 24},
                         {"head_dim", 6},
                         {"max_position_embeddings", 77},
                         {"rms_norm_eps", 1e-6},
                         {"vocab_size", 11},
                         {"tie_word_embeddings", true},
                         {"attention_bias", false},
                         {"mlp_bias", false},
                         {"rope", Object{{"rope_type", "default"}, {"theta", 1e6}}}}));
  EXPECT_THAT(checkpoint.generation.eosTokenIds, ElementsAre(5, 6));
  EXPECT_FALSE(checkpoint.generation.bosTokenId);
  EXPECT_EQ(checkpoint.generation.padTokenId, 5);
  EXPECT_EQ(checkpoint.name, "tiny.Q4_0");
  EXPECT_EQ(checkpoint.configOrigin, "tiny.Q4_0.gguf");
  EXPECT_TRUE(checkpoint.tokenizer.empty());
  EXPECT_EQ(checkpoint.find("model.embed_tokens.weight")->type.str(), "f16[11, 8]");
}

TEST(Gguf, ReadsEveryTypeOfMetadata) {
  GgufBuilder b = tinyLlama();
  b.raw("u8", 0, le<uint8_t>(200)).raw("i8", 1, le<int8_t>(-3)).raw("u16", 2, le<uint16_t>(60000));
  b.raw("i16", 3, le<int16_t>(-9)).raw("i32", 5, le<int32_t>(-70000)).raw("bool", 7, "\1");
  b.raw("u64", 10, le<uint64_t>(1ull << 40)).raw("i64", 11, le<int64_t>(-5)).raw("f64", 12, le<double>(0.1));
  b.array("ints", 5, 2, le<int32_t>(7) + le<int32_t>(-8)).array("floats", 6, 1, le<float>(0.5f));
  b.array("strings", 8, 2, GgufBuilder::string("é") + GgufBuilder::string("")).array("empty", 8, 0, "");
  b.array("nested", 9, 1, le<uint32_t>(0) + le<uint64_t>(3) + "abc");
  b.tensor("t", {1}, f32Type, floats({1}));
  b.version = 2;
  TempDir dir;
  auto file = llvm::cantFail(SourceFile::open(dir.write("a.gguf", b.build())));
  auto gguf = readGguf(*file);
  ASSERT_TRUE(bool(gguf)) << llvm::toString(gguf.takeError());
  const GgufMetadata &m = gguf->metadata;
  for (auto [key, value] : {std::pair("u8", 200ll),
                            {"i8", -3ll},
                            {"u16", 60000ll},
                            {"i16", -9ll},
                            {"i32", -70000ll},
                            {"u64", 1ll << 40},
                            {"i64", -5ll}})
    EXPECT_EQ(llvm::cantFail(m.integer(key)), value) << key;
  EXPECT_EQ(llvm::cantFail(m.boolean("bool")), true);
  EXPECT_EQ(llvm::cantFail(m.number("f64")), 0.1);
  EXPECT_THAT(llvm::cantFail(m.integers("ints")), ElementsAre(7, -8));
  EXPECT_THAT(llvm::cantFail(m.floats("floats")), ElementsAre(0.5f));
  EXPECT_THAT(llvm::cantFail(m.strings("strings")), ElementsAre("é", ""));
  EXPECT_TRUE(llvm::cantFail(m.strings("empty")).empty());
  EXPECT_TRUE(llvm::cantFail(m.strings("absent")).empty());
  EXPECT_EQ(m.find("nested")->bytes.size(), 15u);
  EXPECT_EQ(llvm::cantFail(m.integer("absent")), std::nullopt);
}

TEST(Gguf, NamesAreHuggingFaces) {
  EXPECT_EQ(huggingFaceName("token_embd.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(huggingFaceName("output_norm.weight"), "model.norm.weight");
  EXPECT_EQ(huggingFaceName("output.weight"), "lm_head.weight");
  EXPECT_EQ(huggingFaceName("blk.12.attn_output.bias"), "model.layers.12.self_attn.o_proj.bias");
  EXPECT_EQ(huggingFaceName("blk.0.ffn_norm.weight"), "model.layers.0.post_attention_layernorm.weight");
  EXPECT_EQ(huggingFaceName("blk.0.attn_q_norm.weight"), "model.layers.0.self_attn.q_norm.weight");
  for (const char *unknown : {"blk.0.ffn_gate_exps.weight", "blk.x.attn_q.weight", "blk.0", "weight", "a.b.c"})
    EXPECT_EQ(huggingFaceName(unknown), unknown);
}

// Two heads of four rows: the converter stored rows 0 2 1 3 of each head (pairs 0,2 and 1,3 side by side).
TEST(Gguf, LlamaRowsOfQAndKReturnToHuggingFacesOrder) {
  GgufBuilder b = tinyLlama();
  b.u32("llama.attention.head_count_kv", 1);
  b.tensor("blk.0.attn_q.weight", {1, 8}, f32Type, floats(counting(8)));
  b.tensor("blk.0.attn_k.weight", {2, 4}, f32Type, floats(counting(8)));
  b.tensor("blk.0.attn_v.weight", {1, 4}, f32Type, floats(counting(4)));
  b.tensor("blk.0.attn_q.bias", {8}, f32Type, floats(counting(8)));
  Checkpoint checkpoint = opened(b);
  EXPECT_THAT(valuesOf(checkpoint, "model.layers.0.self_attn.q_proj.weight"), ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_THAT(valuesOf(checkpoint, "model.layers.0.self_attn.k_proj.weight"), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
  EXPECT_THAT(valuesOf(checkpoint, "model.layers.0.self_attn.v_proj.weight"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(valuesOf(checkpoint, "model.layers.0.self_attn.q_proj.bias"), ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_EQ(checkpoint.config.getBoolean("attention_bias"), true);
}

TEST(Gguf, LargerHeadsReturnToHuggingFacesOrder) {
  GgufBuilder b;
  b.str("general.architecture", "llama").u32("llama.attention.head_count", 1);
  // The converter: reshape(heads, 2, half, columns), swap the middle two.
  std::vector<float> stored;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 2; ++j)
      stored.push_back(float(j * 3 + i));
  b.tensor("blk.0.attn_k.weight", {1, 6}, f32Type, floats(stored));
  Checkpoint checkpoint = opened(b);
  EXPECT_EQ(valuesOf(checkpoint, "model.layers.0.self_attn.k_proj.weight"), counting(6));
}

TEST(Gguf, QwenRowsStayAsTheyAre) {
  GgufBuilder b = tinyLlama("qwen2");
  b.tensor("blk.0.attn_q.weight", {1, 8}, f32Type, floats(counting(8)));
  b.tensor("blk.0.attn_q.bias", {8}, f32Type, floats(counting(8)));
  b.tensor("output.weight", {1, 1}, f32Type, floats({1}));
  Checkpoint checkpoint = opened(b);
  EXPECT_EQ(valuesOf(checkpoint, "model.layers.0.self_attn.q_proj.weight"), counting(8));
  EXPECT_EQ(checkpoint.config.getBoolean("attention_bias"), false);
  EXPECT_EQ(checkpoint.config.getBoolean("tie_word_embeddings"), false);
}

// A matrix of blocks is reordered by whole rows, in both forms.
TEST(Gguf, QuantizedRowsAreReorderedToo) {
  GgufBuilder b = tinyLlama();
  std::string blocks;
  for (int row = 0; row < 8; ++row)
    blocks += le<uint16_t>(0x3c00) + std::string(32, char(row)); // Q8_0, scale 1
  b.tensor("blk.0.attn_q.weight", {32, 8}, 8, blocks);
  Checkpoint checkpoint = opened(b);
  const WeightTensor *q = checkpoint.find("model.layers.0.self_attn.q_proj.weight");
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(q->type.str(), "i8<g32, f16>[8, 32]");
  QuantRows rows;
  ASSERT_FALSE(q->readQuant(0, 8, rows));
  std::vector<float> values = valuesOf(checkpoint, q->name);
  int order[] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (int row = 0; row < 8; ++row) {
    EXPECT_EQ(rows.codes[32 * row], 128 + order[row]);
    EXPECT_EQ(values[32 * row], float(order[row]));
  }
}

/// The rope of a llama with heads of 16 and these metadata; `divisors` as rope_freqs.weight when given.
Value ropeOf(GgufBuilder b, const std::vector<float> &divisors = {}) {
  b.str("general.architecture", "llama").u32("llama.attention.head_count", 2).u32("llama.embedding_length", 32);
  b.tensor("t", {1}, f32Type, floats({1}));
  if (!divisors.empty())
    b.tensor("rope_freqs.weight", {divisors.size()}, f32Type, floats(divisors));
  Checkpoint checkpoint = opened(b);
  EXPECT_EQ(checkpoint.tensors.size(), 1u); // the divisors are no weight
  return std::move(*checkpoint.config.get("rope"));
}

TEST(GgufRope, Scaling) {
  Value none = Object{{"rope_type", "default"}, {"theta", 1e4}};
  EXPECT_EQ(ropeOf(GgufBuilder()), none);
  EXPECT_EQ(ropeOf(GgufBuilder().str("llama.rope.scaling.type", "none").f32("llama.rope.scaling.factor", 4)), none);
  Value linear = Object{{"rope_type", "linear"}, {"theta", 1e4}, {"factor", 4.0}};
  EXPECT_EQ(ropeOf(GgufBuilder().str("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 4)), linear);
  EXPECT_EQ(ropeOf(GgufBuilder().f32("llama.rope.scale_linear", 4)), linear);
}

TEST(GgufRope, Yarn) {
  GgufBuilder b;
  b.str("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4).u32("llama.context_length", 999);
  EXPECT_EQ(ropeOf(b),
            Value(Object{
                {"rope_type", "yarn"}, {"theta", 1e4}, {"factor", 4.0}, {"original_max_position_embeddings", 999.0}}));
  b.u32("llama.rope.scaling.original_context_length", 128).f32("llama.rope.scaling.attn_factor", 0.5f);
  b.f32("llama.rope.scaling.yarn_beta_fast", 16).f32("llama.rope.scaling.yarn_beta_slow", 2);
  EXPECT_EQ(ropeOf(b), Value(Object{{"rope_type", "yarn"},
                                    {"theta", 1e4},
                                    {"factor", 4.0},
                                    {"original_max_position_embeddings", 128.0},
                                    {"attention_factor", 0.5 * (0.1 * std::log(4.0) + 1)},
                                    {"beta_fast", 16.0},
                                    {"beta_slow", 2.0}}));
}

// llama3 divisors as the converter computes them: factor 8, 1 and 4, trained on 64 positions.
TEST(GgufRope, DivisorsOfLlama3BecomeItsParameters) {
  std::vector<float> divisors;
  for (int i = 0; i < 8; ++i) {
    float wavelength = float(2 * M_PI) / (1.0f / std::pow(10000.0f, float(2 * i) / 16));
    float smooth = (64 / wavelength - 1) / 3;
    divisors.push_back(wavelength < 16 ? 1 : wavelength > 64 ? 8 : 1 / ((1 - smooth) / 8 + smooth));
  }
  EXPECT_EQ(ropeOf(GgufBuilder(), divisors), Value(Object{{"rope_type", "llama3"},
                                                          {"theta", 1e4},
                                                          {"factor", 8.0},
                                                          {"low_freq_factor", 1.0},
                                                          {"high_freq_factor", 4.0},
                                                          {"original_max_position_embeddings", 64}}));
}

TEST(GgufRope, OtherDivisorsAreCarried) {
  std::vector<float> divisors = {1, 1.5f, 2, 2, 2, 2, 2, 2.5f};
  EXPECT_EQ(ropeOf(GgufBuilder(), divisors),
            Value(Object{
                {"rope_type", "default"}, {"theta", 1e4}, {"freq_factors", {1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.5}}}));
}

} // namespace
