// SPDX-License-Identifier: Apache-2.0
// GGUF files that are not as they should be: one exact message each.
#include "tests/import/TestFiles.h"
#include <functional>
#include <limits>

using namespace sinter;
using namespace sinter::test;

namespace {

struct GgufCase {
  const char *name;
  std::function<std::string()> bytes;
  std::string message;
  friend void PrintTo(const GgufCase &c, std::ostream *os) { *os << c.name; }
};

constexpr uint32_t f32Type = 0, q4_0Type = 2;
constexpr uint64_t huge = 1ull << 62;

/// A good tensor behind these metadata: the case's metadata are what is wrong.
std::string with(GgufBuilder b) { return b.tensor("t", {1}, f32Type, floats({1})).build(); }

/// A file with only this tensor.
std::string only(const std::vector<uint64_t> &dims, uint32_t type, const std::string &data) {
  return tinyLlama().tensor("t", dims, type, data).build();
}

const GgufCase cases[] = {
    {"Empty", [] { return std::string(); },
     "a.gguf: expected a GGUF file or a Hugging Face directory, found an empty file"},
    {"Magic", [] { return "GGML" + with(tinyLlama()).substr(4); },
     "a.gguf: magic at byte 0: expected 'GGUF', found 'GGML'"},
    {"OnlyMagic", [] { return std::string("GGUF"); }, "a.gguf: truncated version at byte 4: expected 4 bytes, found 0"},
    {"Version1",
     [] {
       auto b = tinyLlama();
       b.version = 1;
       return with(b);
     },
     "a.gguf: version at byte 4: expected 2 or 3, found 1"},
    {"BigEndian",
     [] {
       auto b = tinyLlama();
       b.version = 0x03000000;
       return with(b);
     },
     "a.gguf: version at byte 4: expected a little-endian file, found a big-endian one"},
    {"NoTensors", [] { return tinyLlama().build(); },
     "a.gguf: number of tensors at byte 8: expected at least 1, found 0"},
    {"TooManyTensors",
     [] {
       auto b = tinyLlama();
       b.numTensors = huge;
       return with(b);
     },
     "a.gguf: number of tensors at byte 8: expected at most the 1 that the file has room for, found "
     "4611686018427387905"},
    {"TooManyKeys",
     [] {
       auto b = tinyLlama();
       b.numKeys = huge;
       return with(b);
     },
     "a.gguf: number of metadata keys at byte 16: expected at most the 12 that the file has room for, found "
     "4611686018427387904"},
    {"OneKeyTooMany",
     [] {
       auto b = tinyLlama();
       b.numKeys += 1;
       return with(b);
     },
     "a.gguf: tensor name at byte 163: expected a name, found an empty one"},
    {"EmptyKey", [] { return with(tinyLlama().u32("", 1)); },
     "a.gguf: metadata key at byte 149: expected a name, found an empty one"},
    {"DuplicateKey", [] { return with(tinyLlama().u32("k", 1).u32("k", 1)); },
     "a.gguf: metadata key 'k' at byte 166: expected each key once, found a second one"},
    {"KeyNotUtf8", [] { return with(tinyLlama().u32("k\xff", 1)); },
     "a.gguf: metadata key at byte 158: expected UTF-8, found byte 0xff"},
    {"UnknownValueType", [] { return with(tinyLlama().raw("k", 13, "")); },
     "a.gguf: value type of metadata 'k' at byte 158: expected a type from 0 to 12, found 13"},
    {"StringTooLong", [] { return with(tinyLlama().raw("k", 8, le(huge))); },
     "a.gguf: length of metadata 'k' at byte 162: expected at most the 58 bytes that follow, found "
     "4611686018427387904"},
    {"StringNotUtf8", [] { return with(tinyLlama().str("k", "a\xc0")); },
     "a.gguf: metadata 'k' at byte 171: expected UTF-8, found byte 0xc0"},
    {"Bool", [] { return with(tinyLlama().raw("k", 7, "\2")); },
     "a.gguf: metadata 'k' at byte 162: expected a bool of 0 or 1, found 2"},
    {"ArrayTooLong", [] { return with(tinyLlama().array("k", 4, huge, "")); },
     "a.gguf: length of array of metadata 'k' at byte 166: expected at most the 13 elements that the file has room "
     "for, found 4611686018427387904"},
    {"ArrayOfUnknown", [] { return with(tinyLlama().array("k", 77, 1, "")); },
     "a.gguf: value type of metadata 'k' at byte 162: expected a type from 0 to 12, found 77"},
    {"StringInArrayTooLong", [] { return with(tinyLlama().array("k", 8, 1, le(huge))); },
     "a.gguf: length of metadata 'k' at byte 174: expected at most the 46 bytes that follow, found "
     "4611686018427387904"},
    {"NestedArrays",
     [] {
       std::string level = le<uint32_t>(9) + le<uint64_t>(1);
       return with(tinyLlama().raw("k", 9, level + level + level + level + level));
     },
     "a.gguf: array of metadata 'k' at byte 210: expected at most 4 nested arrays, found more"},
    {"AlignmentNotAPower", [] { return with(tinyLlama().u32("general.alignment", 48)); },
     "a.gguf: metadata 'general.alignment' at byte 178: expected a power of two up to 65536, found 48"},
    {"AlignmentNotANumber", [] { return with(tinyLlama().str("general.alignment", "32")); },
     "a.gguf: metadata 'general.alignment' at byte 178: expected an integer, found string"},
    {"NoArchitecture", [] { return with(GgufBuilder()); },
     "a.gguf: expected metadata 'general.architecture', found none"},
    {"UnknownArchitecture", [] { return with(GgufBuilder().str("general.architecture", "gemma")); },
     "a.gguf: metadata 'general.architecture' at byte 56: expected one of llama, qwen2, qwen3, found 'gemma'"},
    {"ArchitectureNotAString", [] { return with(GgufBuilder().u32("general.architecture", 1)); },
     "a.gguf: metadata 'general.architecture' at byte 56: expected a string, found uint32"},
    {"HeadsPerLayer",
     [] {
       return with(GgufBuilder().str("general.architecture", "llama").array("llama.attention.head_count", 4, 1, le(4)));
     },
     "a.gguf: metadata 'llama.attention.head_count' at byte 107: expected an integer, found an array of uint32"},
    {"HeadsZero",
     [] { return with(GgufBuilder().str("general.architecture", "llama").u32("llama.attention.head_count", 0)); },
     "a.gguf: metadata 'llama.attention.head_count' at byte 107: expected an integer from 1 to 2^31, found 0"},
    {"HeadsDoNotDivide",
     [] {
       return with(GgufBuilder()
                       .str("general.architecture", "llama")
                       .u32("llama.attention.head_count", 3)
                       .u32("llama.embedding_length", 8));
     },
     "a.gguf: metadata 'llama.embedding_length' at byte 145: expected a multiple of 3 heads, found 8"},
    {"LayersTooMany", [] { return with(tinyLlama().raw("llama.block_count", 10, le(~0ull))); },
     "a.gguf: metadata 'llama.block_count' at byte 178: expected an integer below 2^63, found 18446744073709551615"},
    {"PartialRotation", [] { return with(tinyLlama().u32("llama.rope.dimension_count", 2)); },
     "a.gguf: metadata 'llama.rope.dimension_count' at byte 187: expected the size of a head, 4, found 2"},
    {"ValueLength", [] { return with(tinyLlama().u32("llama.attention.value_length", 3)); },
     "a.gguf: metadata 'llama.attention.value_length' at byte 189: expected the size of a head, 4, found 3"},
    {"Experts", [] { return with(tinyLlama().u32("llama.expert_count", 8)); },
     "a.gguf: metadata 'llama.expert_count' at byte 179: expected 0 or no such key (nothing here computes it), found "
     "8"},
    {"Split", [] { return with(tinyLlama().raw("split.count", 2, le<uint16_t>(3))); },
     "a.gguf: metadata 'split.count' at byte 172: expected one whole file (join the parts with llama-gguf-split "
     "--merge), found one of 3 parts"},
    {"EpsNan",
     [] {
       return with(tinyLlama().f32("llama.attention.layer_norm_rms_epsilon", std::numeric_limits<float>::quiet_NaN()));
     },
     "a.gguf: metadata 'llama.attention.layer_norm_rms_epsilon' at byte 199: expected a finite number, found nan"},
    {"EpsZero", [] { return with(tinyLlama().f32("llama.attention.layer_norm_rms_epsilon", 0)); },
     "a.gguf: metadata 'llama.attention.layer_norm_rms_epsilon' at byte 199: expected a number above 0, found 0"},
    {"ThetaNegative", [] { return with(tinyLlama().f32("llama.rope.freq_base", -1)); },
     "a.gguf: metadata 'llama.rope.freq_base' at byte 181: expected a number above 0, found -1"},
    {"RopeType", [] { return with(tinyLlama().str("llama.rope.scaling.type", "longrope")); },
     "a.gguf: metadata 'llama.rope.scaling.type' at byte 184: expected 'none', 'linear' or 'yarn', found 'longrope'"},
    {"EosTooLarge", [] { return with(tinyLlama().u32("tokenizer.ggml.eos_token_id", 1u << 31)); },
     "a.gguf: metadata 'tokenizer.ggml.eos_token_id' at byte 188: expected a token id, found 2147483648"},
    {"EosNotAnInteger", [] { return with(tinyLlama().f32("tokenizer.ggml.eos_token_id", 2)); },
     "a.gguf: metadata 'tokenizer.ggml.eos_token_id' at byte 188: expected an integer, found float32"},
    {"TokensNotStrings",
     [] { return with(tinyLlama().str("tokenizer.ggml.model", "gpt2").array("tokenizer.ggml.tokens", 4, 1, le(7))); },
     "a.gguf: metadata 'tokenizer.ggml.tokens' at byte 226: expected an array of string, found an array of uint32"},
    {"EmptyTensorName", [] { return tinyLlama().tensor("", {1}, f32Type, floats({1})).build(); },
     "a.gguf: tensor name at byte 149: expected a name, found an empty one"},
    {"TensorNameTooLong",
     [] {
       auto b = tinyLlama();
       b.infos = le(huge) + std::string(32, 0);
       b.numTensors = 1;
       return b.build();
     },
     "a.gguf: length of tensor name at byte 149: expected at most the 35 bytes that follow, found 4611686018427387904"},
    {"DuplicateTensor",
     [] { return tinyLlama().tensor("t", {1}, f32Type, floats({1})).tensor("t", {1}, f32Type, floats({1})).build(); },
     "a.gguf: name of tensor 't' at byte 182: expected each name once, found a second one"},
    {"NoDims", [] { return only({}, f32Type, floats({1})); },
     "a.gguf: shape of tensor 't' at byte 149: expected 1 to 4 dimensions, found 0"},
    {"FiveDims", [] { return only({1, 1, 1, 1, 1}, f32Type, floats({1})); },
     "a.gguf: shape of tensor 't' at byte 149: expected 1 to 4 dimensions, found 5"},
    {"ZeroDim", [] { return only({4, 0}, f32Type, ""); },
     "a.gguf: shape of tensor 't' at byte 149: expected dimensions of at least 1, found 0"},
    {"DimOverflow", [] { return only({1ull << 32, 1ull << 32, 2}, f32Type, floats({1})); },
     "a.gguf: shape of tensor 't' at byte 149: expected fewer than 2^60 elements, found more"},
    {"UnsupportedType", [] { return only({256}, 16, std::string(66, 0)); },
     "a.gguf: type of tensor 't' at byte 149: expected one of F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, "
     "Q5_K, Q6_K, found IQ2_XXS"},
    {"UnknownType", [] { return only({1}, 99, floats({1})); },
     "a.gguf: type of tensor 't' at byte 149: expected a ggml type, found id 99"},
    {"PartialBlock", [] { return only({48, 2}, q4_0Type, std::string(54, 0)); },
     "a.gguf: shape of tensor 't' at byte 149: expected rows of a multiple of 32 elements, found 48"},
    {"QuantizedVector", [] { return only({32}, q4_0Type, std::string(18, 0)); },
     "a.gguf: type of tensor 't' at byte 149: expected F32, F16 or BF16 for a vector, found i4<g32, f16>"},
    {"UnalignedOffset", [] { return tinyLlama().info("t", {1}, f32Type, 4).build() + std::string(64, 0); },
     "a.gguf: offset of tensor 't' at byte 149: expected a multiple of 32, found 4"},
    {"OffsetBeyondTheEnd", [] { return tinyLlama().info("t", {1}, f32Type, huge).build() + std::string(64, 0); },
     "a.gguf: offset of tensor 't' at byte 149: expected 4 bytes within the 64 of tensor data, found them at "
     "4611686018427387904"},
    {"TruncatedData", [] { return only({9}, f32Type, std::string(35, 0)); },
     "a.gguf: offset of tensor 't' at byte 149: expected 36 bytes within the 35 of tensor data, found them at 0"},
    {"NoData", [] { return tinyLlama().info("t", {1}, f32Type, 0).build(); },
     "a.gguf: offset of tensor 't' at byte 149: expected 4 bytes within the 0 of tensor data, found them at 0"},
    {"Overlap",
     [] {
       auto b = tinyLlama();
       b.info("t", {16}, f32Type, 0).info("u", {1}, f32Type, 32);
       return b.build() + std::string(64, 0);
     },
     "a.gguf: offset of tensor 'u' at byte 182: expected at least 64, the end of 't', found 32"},
    {"TwoNamesOfOne",
     [] {
       return tinyLlama()
           .tensor("blk.0.attn_v.weight", {1}, f32Type, floats({1}))
           .tensor("model.layers.0.self_attn.v_proj.weight", {1}, f32Type, floats({1}))
           .build();
     },
     "a.gguf: tensor 'model.layers.0.self_attn.v_proj.weight': expected one tensor that means it, found two"},
    {"QWithoutHeads",
     [] {
       return GgufBuilder()
           .str("general.architecture", "llama")
           .tensor("blk.0.attn_q.weight", {1, 4}, f32Type, floats({1, 2, 3, 4}))
           .build();
     },
     "a.gguf: expected metadata 'llama.attention.head_count' for the row order of 'blk.0.attn_q.weight', found none"},
    {"QRowsNotHeads",
     [] { return tinyLlama().tensor("blk.0.attn_q.weight", {1, 3}, f32Type, floats({1, 2, 3})).build(); },
     "a.gguf: shape of tensor 'blk.0.attn_q.weight' at byte 149: expected 2 heads of an even number of rows, found 3"},
    {"RopeDivisorsShape",
     [] { return tinyLlama().tensor("rope_freqs.weight", {3}, f32Type, floats({1, 1, 1})).build(); },
     "a.gguf: type of tensor 'rope_freqs.weight' at byte 149: expected f32[2], found f32[3]"},
    {"RopeDivisorsValue", [] { return tinyLlama().tensor("rope_freqs.weight", {2}, f32Type, floats({1, 0})).build(); },
     "a.gguf: value of tensor 'rope_freqs.weight' at byte 149: expected finite numbers above 0, found 0"},
    {"RopeDivisorsAndScaling",
     [] {
       return tinyLlama()
           .f32("llama.rope.scaling.factor", 2)
           .tensor("rope_freqs.weight", {2}, f32Type, floats({1, 2}))
           .build();
     },
     "a.gguf: presence of tensor 'rope_freqs.weight' at byte 190: expected either frequency divisors or rope scaling "
     "in the metadata, found both"},
};

class MalformedGguf : public testing::TestWithParam<GgufCase> {};

TEST_P(MalformedGguf, IsOneError) {
  TempDir dir;
  EXPECT_EQ(openError(dir, dir.write("a.gguf", GetParam().bytes())), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, MalformedGguf, testing::ValuesIn(cases),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(MalformedPath, IsOneError) {
  TempDir dir;
  EXPECT_EQ(openError(dir, dir.path("none")),
            "none: expected a GGUF file or a Hugging Face directory, found nothing there");
  EXPECT_EQ(openError(dir, dir.write("a.bin", "hello")),
            "a.bin: expected a GGUF file or a Hugging Face directory, found a file that starts with 'hell'");
  EXPECT_EQ(openError(dir, dir.write("model.safetensors", "hello")),
            "model.safetensors: expected a GGUF file or a Hugging Face directory, found a safetensors file; give the "
            "directory that holds it and its config.json");
  EXPECT_EQ(openError(dir, "/dev/null"), "/dev/null: expected a regular file, found a pipe, socket or device");
}

} // namespace
