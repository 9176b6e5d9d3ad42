// SPDX-License-Identifier: Apache-2.0
// A tokenizer image is hostile until checked: cut, flipped and random bytes give an error or a tokenizer that works,
// never a crash.
#include "runtime/text/TokenizerImage.h"
#include "tests/runtime/TokenizerFixtures.h"
#include <cstring>
#include <random>

using namespace sinter::rt;
using namespace sinter::rt::fixtures;

namespace {

std::vector<uint8_t> sample() {
  TokenizerData data = byteLevel({{"a", "b"}, {"ab", "c"}, {" ", "a"}});
  data.normalizers = {{NormalizerKind::Nfc, "", ""}, {NormalizerKind::Replace, "q", "r"}};
  data.splits = {splitStep("\\s+|\\w+")};
  addToken(data, "<s>", true);
  data.prefixIds = {data.addedTokens[0].id};
  return serialize(data);
}

std::vector<uint8_t> samplePieces() {
  TokenizerData data = sentencePiece({{"a", -1}, {"b", -2}, {"ab", -0.5f}, {"\u2581", -3}});
  data.byteFallback = true;
  data.pieces.push_back({"\n", PieceType::Byte, false, 0});
  return serialize(data);
}

/// Whatever the bytes are: an error, or a tokenizer that may be used.
void tryImage(const std::vector<uint8_t> &bytes) {
  Result<Tokenizer> tokenizer = Tokenizer::load(bytes);
  if (!tokenizer)
    return;
  std::vector<int32_t> ids = tokenizer->encode("abc <s> ab\n\u00e9 q");
  for (int32_t id : ids)
    ASSERT_TRUE(id >= 0 && id < tokenizer->vocabSize()) << id;
  ids.push_back(-1);
  ids.push_back(1 << 30);
  tokenizer->decode(ids, false);
}

TEST(TokenizerImage, everyTruncationIsAnError) {
  std::vector<uint8_t> bytes = sample();
  for (size_t size = 0; size < bytes.size(); size += size < 512 ? 1 : 97)
    EXPECT_FALSE(TokenizerImage::parse(std::vector<uint8_t>(bytes.begin(), bytes.begin() + static_cast<long>(size))))
        << size;
}

TEST(TokenizerImage, flippedBytes) {
  std::mt19937 random(1);
  for (const std::vector<uint8_t> &original : {sample(), samplePieces()})
    for (int round = 0; round < 4000; ++round) {
      std::vector<uint8_t> bytes = original;
      for (uint32_t i = 0, flips = 1 + random() % 4; i < flips; ++i)
        bytes[random() % bytes.size()] ^= static_cast<uint8_t>(1u << random() % 8);
      tryImage(bytes);
    }
}

TEST(TokenizerImage, overwrittenWords) {
  std::mt19937 random(2);
  constexpr uint32_t values[] = {0, 1, 255, 256, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x01000000};
  for (const std::vector<uint8_t> &original : {sample(), samplePieces()})
    for (size_t at = 0; at + 4 <= std::min<size_t>(original.size(), 2000); at += 4) {
      std::vector<uint8_t> bytes = original;
      std::memcpy(bytes.data() + at, &values[random() % std::size(values)], 4);
      tryImage(bytes);
    }
}

TEST(TokenizerImage, randomBytes) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint8_t> bytes(1 + random() % 600);
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(random() % (round % 2 ? 256 : 4));
    std::memcpy(bytes.data(), tokenizerMagic, std::min(bytes.size(), sizeof(tokenizerMagic)));
    tryImage(bytes);
  }
}

TEST(TokenizerImage, namesWhatIsWrong) {
  auto message = [](const std::vector<uint8_t> &bytes) {
    Result<TokenizerImage> image = TokenizerImage::parse(bytes);
    return image ? std::string() : image.error().message;
  };
  EXPECT_EQ(message({}), "corrupt tokenizer: it does not start with 'SNTRTOK1'");
  TokenizerData data = byteLevel({});
  data.bosId = 256;
  EXPECT_EQ(message(serialize(data)), "corrupt tokenizer: a special token outside the vocabulary of 256");
  data.bosId = -1;
  data.merges.push_back({'a', 'b', 300});
  EXPECT_EQ(message(serialize(data)), "corrupt tokenizer: merge table names piece 300 of 256");
}

} // namespace
