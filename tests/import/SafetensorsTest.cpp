// SPDX-License-Identifier: Apache-2.0
// Directories of safetensors that are as they should be: one file, shards, every dtype.
#include "tests/import/TestFiles.h"
#include <gmock/gmock.h>

using namespace sinter;
using namespace sinter::test;
using testing::ElementsAre;

namespace {

constexpr const char *config = R"({"architectures": ["LlamaForCausalLM"]})";

TEST(Safetensors, ReadsEveryDtype) {
  TempDir dir;
  dir.write("config.json", config);
  std::string header = R"({"__metadata__": {"format": "pt"},
    "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "c": {"dtype": "F16", "shape": [2], "data_offsets": [20, 24]},
    "b": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [16, 20]}})";
  dir.write("model.safetensors",
            safetensors(header, floats({1, 2, 3, 4}) + le<uint32_t>(0xbf803f80) + le<uint32_t>(0x40003c00)));
  Checkpoint checkpoint = openGood(dir.path());
  ASSERT_EQ(checkpoint.tensors.size(), 3u);
  EXPECT_EQ(checkpoint.tensors[0]->type.str(), "f32[2, 2]");
  EXPECT_EQ(checkpoint.tensors[1]->type.str(), "bf16[1, 2]");
  EXPECT_EQ(checkpoint.tensors[2]->type.str(), "f16[2]");
  EXPECT_EQ(checkpoint.tensors[2]->origin, "model.safetensors");
  EXPECT_THAT(valuesOf(checkpoint, "a"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(valuesOf(checkpoint, "b"), ElementsAre(1, -1));
  EXPECT_THAT(valuesOf(checkpoint, "c"), ElementsAre(1, 2));
  EXPECT_EQ(checkpoint.find("d"), nullptr);
}

TEST(Safetensors, ReadsRowsOfTheirOwn) {
  TempDir dir;
  dir.write("config.json", config);
  dir.write("model.safetensors", safetensors(R"({"a": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}})",
                                             floats({1, 2, 3, 4, 5, 6})));
  Checkpoint checkpoint = openGood(dir.path());
  std::vector<float> row(2);
  ASSERT_FALSE(checkpoint.find("a")->readFloats(1, 2, row));
  EXPECT_THAT(row, ElementsAre(3, 4));
}

TEST(Safetensors, SkipsTablesOfRotaryFrequencies) {
  TempDir dir;
  dir.write("config.json", config);
  std::string header = R"({"model.layers.0.self_attn.rotary_emb.inv_freq":
    {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},
    "a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}})";
  dir.write("model.safetensors", safetensors(header, std::string(12, 0)));
  EXPECT_EQ(openGood(dir.path()).tensors.size(), 1u);
}

TEST(Safetensors, ReadsShards) {
  TempDir dir;
  dir.write("config.json", config);
  std::string entry = R"(": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})";
  dir.write("m-1.safetensors", safetensors(R"({"b)" + entry, floats({5})));
  dir.write("m-2.safetensors", safetensors(R"({"a)" + entry, floats({7})));
  dir.write("model.safetensors.index.json",
            R"({"metadata": {"total_size": 8}, "weight_map": {"a": "m-2.safetensors", "b": "m-1.safetensors"}})");
  Checkpoint checkpoint = openGood(dir.path());
  EXPECT_THAT(valuesOf(checkpoint, "a"), ElementsAre(7));
  EXPECT_THAT(valuesOf(checkpoint, "b"), ElementsAre(5));
  EXPECT_EQ(checkpoint.find("a")->origin, "m-2.safetensors");
}

TEST(Safetensors, ADirectoryWithoutTokenizerHasNone) {
  TempDir dir;
  dir.write("config.json", config);
  dir.write("model.safetensors",
            safetensors(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", floats({1})));
  Checkpoint checkpoint = openGood(dir.path() + "/");
  EXPECT_TRUE(checkpoint.tokenizer.empty());
  EXPECT_EQ(checkpoint.configOrigin, "config.json");
  EXPECT_EQ(dir.path(), "/tmp/" + checkpoint.name);
}

} // namespace
