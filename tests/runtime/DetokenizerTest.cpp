// SPDX-License-Identifier: Apache-2.0
// Streaming: what comes out at every step is valid UTF-8, and together it is what decode gives.
#include "runtime/text/Detokenizer.h"
#include "runtime/text/Utf8.h"
#include "tests/runtime/TokenizerFixtures.h"
#include <random>

using namespace sinter::rt;
using namespace sinter::rt::fixtures;

namespace {

TEST(Detokenizer, holdsBackIncompleteCharacters) {
  LoadedTokenizer t(byteLevel({}));
  Detokenizer d(*t);
  EXPECT_EQ(d.add(0xF0), "");
  EXPECT_EQ(d.add(0x9F), "");
  EXPECT_EQ(d.add(0x98), "");
  EXPECT_EQ(d.add(0x80), "\U0001F600");
  EXPECT_EQ(d.finish(), "");
}

TEST(Detokenizer, replacesWhatCannotBecomeACharacter) {
  LoadedTokenizer t(byteLevel({}));
  Detokenizer d(*t);
  EXPECT_EQ(d.add(0xFF), "\uFFFD");
  EXPECT_EQ(d.add(0xE4), "");
  EXPECT_EQ(d.add(0xBD), "");
  EXPECT_EQ(d.add('a'), "\uFFFDa") << "one for the maximal subpart";
  EXPECT_EQ(d.add(0xE4), "");
  EXPECT_EQ(d.finish(), "\uFFFD");
  EXPECT_EQ(d.finish(), "");
}

TEST(Detokenizer, sentencePieceReplacesEveryByte) {
  TokenizerData data = sentencePiece({{"\u2581a", -1}, {"b", -1}});
  data.pieces.push_back({"\xE4", PieceType::Byte, false, 0});
  data.pieces.push_back({"\xBD", PieceType::Byte, false, 0});
  LoadedTokenizer t(data);
  EXPECT_EQ(t->decode(std::vector<int32_t>{1, 3, 4, 2, 1}), "a\uFFFD\uFFFDb a");
}

TEST(Detokenizer, dropsTheSpaceThatEncodingAdded) {
  TokenizerData data = sentencePiece({{"\u2581a", -1}, {"\u2581", -1}});
  addToken(data, "<s>", true);
  LoadedTokenizer t(data);
  EXPECT_EQ(t->decode(std::vector<int32_t>{3, 1, 1}), "a a");
  EXPECT_EQ(t->decode(std::vector<int32_t>{3, 1, 1}, /*skipSpecial=*/false), "<s> a a");
  EXPECT_EQ(t->decode(std::vector<int32_t>{2, 1}), " a");
  Detokenizer d(*t);
  EXPECT_EQ(d.add(1) + d.finish() + d.add(1), "aa") << "finish starts anew";
}

TEST(Detokenizer, skipsSpecialTokens) {
  TokenizerData data = byteLevel({});
  addToken(data, "<end>", true);
  addToken(data, "<tool>", false);
  LoadedTokenizer t(data);
  EXPECT_EQ(t->decode(std::vector<int32_t>{'a', 256, 257}), "a<tool>");
  EXPECT_EQ(t->decode(std::vector<int32_t>{'a', 256, 257}, false), "a<end><tool>");
  EXPECT_EQ(t->decode(std::vector<int32_t>{-5, 'a', 999}), "a") << "ids that do not exist say nothing";
}

TEST(Detokenizer, piecesAreValidAndMakeTheWhole) {
  LoadedTokenizer t(byteLevel({{"\xE4", "\xBD"}, {"\xA0", "\xE5"}}));
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::vector<int32_t> ids;
    for (uint32_t i = 0, count = random() % 12; i < count; ++i)
      ids.push_back(static_cast<int32_t>(random() % 3 ? 0x80 + random() % 130 : random() % 258));
    std::string bytes, text;
    Detokenizer d(*t);
    for (int32_t id : ids) {
      bytes += t->tokenBytes(id);
      std::string piece = d.add(id);
      ASSERT_TRUE(utf8::isValid(piece));
      text += piece;
    }
    text += d.finish();
    ASSERT_EQ(text, utf8::toValid(bytes));
    ASSERT_EQ(text, t->decode(ids));
  }
}

} // namespace
