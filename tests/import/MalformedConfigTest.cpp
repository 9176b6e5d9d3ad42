// SPDX-License-Identifier: Apache-2.0
// config.json and generation_config.json that are wrong, or that ask for what we do not compute: one exact message
// each.
#include "tests/import/TestFiles.h"

using namespace sinter;
using namespace sinter::test;

namespace {

struct ConfigCase {
  const char *name;
  const char *config;
  std::string message;
  const char *generationConfig = "{}";
  friend void PrintTo(const ConfigCase &c, std::ostream *os) { *os << c.name; }
};

const ConfigCase cases[] = {
    {"Empty", "", "config.json:1:1: malformed JSON: expected a value, found the end"},
    {"NotAnObject", "[]", "config.json:1:1: malformed JSON: expected an object, found an array"},
    {"MissingComma", "{\n  \"a\": 1\n  \"b\": 2\n}",
     "config.json:3:3: malformed JSON: expected , or } after object property, found '\"'"},
    {"Unfinished", "{\"a\": [1, 2",
     "config.json:1:12: malformed JSON: expected , or ] after array element, found the end"},
    {"UnfinishedString", "{\"a", "config.json:1:4: malformed JSON: expected a closing quote, found the end"},
    {"TrailingText", "{} x", "config.json:1:4: malformed JSON: expected the end, found 'x'"},
    {"BadUtf8", "{\n\"a\": \"\xc3\x28\"}", "config.json:2:7: malformed JSON: expected UTF-8, found byte 0xc3"},
    {"DuplicateKey", "{\"hidden_size\": 1,\n \"hidden_size\": 2}",
     "config.json:2:2: malformed JSON: expected each key once, found a second 'hidden_size'"},
    {"HiddenSizeNotAnInteger", R"({"hidden_size": "64"})", "config.json: hidden_size: expected an integer, found '64'"},
    {"HiddenSizeZero", R"({"hidden_size": 0})",
     "config.json: hidden_size: expected an integer from 1 to 2^31, found 0"},
    {"LayersTooMany", R"({"num_hidden_layers": 99999999999})",
     "config.json: num_hidden_layers: expected an integer from 1 to 2^31, found 99999999999"},
    {"FractionalHeads", R"({"num_attention_heads": 2.5})",
     "config.json: num_attention_heads: expected an integer, found 2.5"},
    {"HeadsDoNotDivide", R"({"hidden_size": 10, "num_attention_heads": 4})",
     "config.json: hidden_size: expected a multiple of num_attention_heads 4 (or a head_dim), found 10"},
    {"EpsNotANumber", R"({"rms_norm_eps": true})", "config.json: rms_norm_eps: expected a finite number, found true"},
    {"EpsNegative", R"({"rms_norm_eps": -1e-6})", "config.json: rms_norm_eps: expected a number above 0, found -1e-06"},
    {"OtherActivation", R"({"hidden_act": "gelu"})", "config.json: hidden_act: expected 'silu', found 'gelu'"},
    {"OtherDtype", R"({"torch_dtype": "float64"})",
     "config.json: torch_dtype: expected 'float32', 'float16' or 'bfloat16', found 'float64'"},
    {"DtypeNotAString", R"({"dtype": 16})", "config.json: dtype: expected a string, found 16"},
    {"TieNotABool", R"({"tie_word_embeddings": 1})",
     "config.json: tie_word_embeddings: expected true or false, found 1"},
    {"Quantized", R"({"quantization_config": {"bits": 4}})",
     "config.json: quantization_config: expected none (float safetensors, or a GGUF file for quantized weights), found "
     "one"},
    {"SlidingWindow",
     R"({"use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1, "num_hidden_layers": 2})",
     "config.json: use_sliding_window: expected false (full attention in every layer), found true"},
    {"SlidingLayer", R"({"layer_types": ["full_attention", "sliding_attention"]})",
     "config.json: layer_types: expected 'full_attention' in every layer, found 'sliding_attention'"},
    {"WindowNotAnInteger", R"({"sliding_window": "8"})", "config.json: sliding_window: expected an integer, found '8'"},
    {"PartialRotation", R"({"partial_rotary_factor": 0.5})",
     "config.json: partial_rotary_factor: expected 1 (all of a head is rotated), found 0.5"},
    {"PartialRotationInRope", R"({"rope_parameters": {"partial_rotary_factor": 0.25}})",
     "config.json: rope_parameters.partial_rotary_factor: expected 1 (all of a head is rotated), found 0.25"},
    {"UnknownRope", R"({"rope_scaling": {"type": "dynamic", "factor": 2}})",
     "config.json: rope_scaling.type: expected 'default', 'linear', 'llama3' or 'yarn', found 'dynamic'"},
    {"RopeNotAnObject", R"({"rope_scaling": "linear"})",
     "config.json: rope_scaling: expected an object, found 'linear'"},
    {"RopePerLayerType", R"({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}})",
     "config.json: rope_parameters: expected the same parameters in every layer, found parameters of 'full_attention'"},
    {"ThetaZero", R"({"rope_theta": 0})", "config.json: rope_theta: expected a number above 0, found 0"},
    {"ThetaNotANumber", R"({"rope_parameters": {"rope_theta": "1e4"}})",
     "config.json: rope_parameters.rope_theta: expected a finite number, found '1e4'"},
    {"LinearWithoutFactor", R"({"rope_scaling": {"rope_type": "linear"}})",
     "config.json: rope_scaling.factor: expected a number (rope type 'linear' needs it), found none"},
    {"Llama3WithoutLow", R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})",
     "config.json: rope_scaling.low_freq_factor: expected a number (rope type 'llama3' needs it), found none"},
    {"Llama3LowAboveHigh",
     R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}})",
     "config.json: rope_scaling.high_freq_factor: expected more than low_freq_factor, found 4"},
    {"YarnNegativeBeta", R"({"rope_scaling": {"rope_type": "yarn", "factor": 4, "beta_fast": -1}})",
     "config.json: rope_scaling.beta_fast: expected a number above 0, found -1"},
    {"YarnTruncate", R"({"rope_scaling": {"rope_type": "yarn", "factor": 4, "truncate": 1}})",
     "config.json: rope_scaling.truncate: expected true or false, found 1"},
    {"EosNotAnId", R"({"eos_token_id": -1})",
     "config.json: eos_token_id: expected a token id or a list of them, found -1"},
    {"GenerationEos", "{}", "generation_config.json: eos_token_id: expected a token id or a list of them, found '2'",
     R"({"eos_token_id": [1, "2"]})"},
    {"GenerationJson", "{}", "generation_config.json:2:1: malformed JSON: expected object key, found ']'", "{\n]"},
    {"Temperature", "{}", "generation_config.json: temperature: expected a number from 0 up, found -0.5",
     R"({"temperature": -0.5})"},
    {"TopP", "{}", "generation_config.json: top_p: expected a number from 0 to 1, found 1.5", R"({"top_p": 1.5})"},
    {"TopK", "{}", "generation_config.json: top_k: expected an integer, found 0.5", R"({"top_k": 0.5})"},
};

class MalformedConfig : public testing::TestWithParam<ConfigCase> {};

TEST_P(MalformedConfig, IsOneError) {
  TempDir dir;
  dir.write("config.json", GetParam().config);
  dir.write("generation_config.json", GetParam().generationConfig);
  dir.write("model.safetensors", safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", floats({1})));
  EXPECT_EQ(openError(dir, dir.path()), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, MalformedConfig, testing::ValuesIn(cases),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
