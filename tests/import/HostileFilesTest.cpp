// SPDX-License-Identifier: Apache-2.0
// Files cut off at every byte and files with random bytes flipped: an error or a checkpoint that can be read whole,
// never a crash. Meant to be run under the address and undefined-behaviour sanitizers too.
#include "tests/import/TestFiles.h"
#include <random>

using namespace sinter;
using namespace sinter::test;

namespace {

std::string smallGguf() {
  GgufBuilder b = tinyLlama();
  b.u32("llama.block_count", 1).f32("llama.rope.freq_base", 1e4f).f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  b.array("tags", 8, 2, GgufBuilder::string("a") + GgufBuilder::string("bc")).raw("flag", 7, std::string(1, 1));
  b.array("nested", 9, 1, le<uint32_t>(0) + le<uint64_t>(2) + "xy");
  b.tensor("token_embd.weight", {32, 3}, 8, std::string(3 * 34, 'q'));
  b.tensor("blk.0.attn_q.weight", {8, 8}, 0, std::string(256, 1));
  b.tensor("blk.0.ffn_up.weight", {256, 1}, 12, std::string(144, 'k'));
  b.tensor("rope_freqs.weight", {2}, 0, floats({1, 2}));
  return b.build();
}

std::string smallSafetensors() {
  return safetensors(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                     R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}})",
                     std::string(14, 3));
}

/// Writes a file of the folder, opens the checkpoint and reads all of it. True when it opened.
class Opener {
public:
  explicit Opener(bool isGguf) : isGguf(isGguf) { dir.write("config.json", "{}"); }

  bool opens(const std::string &bytes) {
    std::string file = dir.write(isGguf ? "a.gguf" : "model.safetensors", bytes);
    auto checkpoint = openCheckpoint(isGguf ? file : dir.path());
    if (!checkpoint) {
      std::string message = llvm::toString(checkpoint.takeError());
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      EXPECT_EQ(message.find(dir.path()), 0u) << message;
      return false;
    }
    for (const auto &tensor : checkpoint->tensors) {
      EXPECT_EQ(valuesOf(*checkpoint, tensor->name).size(), size_t(tensor->type.numElements()));
      QuantRows rows;
      llvm::Error error = tensor->readQuant(0, 1, rows);
      EXPECT_EQ(bool(error), !tensor->type.element.isQuantized());
      llvm::consumeError(std::move(error));
    }
    return true;
  }

private:
  TempDir dir;
  bool isGguf;
};

class HostileFiles : public testing::TestWithParam<bool> {
protected:
  std::string good() const { return GetParam() ? smallGguf() : smallSafetensors(); }
};

TEST_P(HostileFiles, TruncationAtEveryByteIsAnError) {
  Opener opener(GetParam());
  std::string bytes = good();
  ASSERT_TRUE(opener.opens(bytes));
  for (size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(opener.opens(bytes.substr(0, size))) << "cut at " << size;
}

TEST_P(HostileFiles, FlippedBytesNeverCrash) {
  Opener opener(GetParam());
  std::string bytes = good();
  std::mt19937 random(1);
  int opened = 0;
  constexpr int rounds = 3000;
  for (int round = 0; round < rounds; ++round) {
    std::string flipped = bytes;
    for (unsigned n = 1 + random() % 3; n > 0; --n)
      flipped[random() % bytes.size()] = char(random() % 4 ? random() : 0xff);
    opened += opener.opens(flipped);
  }
  EXPECT_GT(opened, 0); // flips in the tensors' data are values
  EXPECT_LT(opened, rounds);
}

INSTANTIATE_TEST_SUITE_P(All, HostileFiles, testing::Bool(),
                         [](const auto &info) { return info.param ? "Gguf" : "Safetensors"; });

} // namespace
