// SPDX-License-Identifier: Apache-2.0
// The tokenizer on vocabularies small enough to check by hand. The real ones are compared in tests/tokenizer/check.py.
#include "runtime/text/Tokenizer.h"
#include "tests/runtime/TokenizerFixtures.h"
#include <gtest/gtest.h>

using namespace sinter::rt;
using namespace sinter::rt::fixtures;
using Ids = std::vector<int32_t>;

namespace {

TEST(Tokenizer, mergesLowestRankFirst) {
  // "ab" ranks before "bc", so that abc is ab c; bc alone still merges.
  LoadedTokenizer t(byteLevel({{"a", "b"}, {"b", "c"}, {"ab", "c"}}));
  EXPECT_EQ(t->encode("abc"), Ids{t.id("abc")});
  EXPECT_EQ(t->encode("bc"), Ids{t.id("bc")});
  EXPECT_EQ(t->encode("abab"), (Ids{t.id("ab"), t.id("ab")}));
  EXPECT_EQ(t->encode("bca"), (Ids{t.id("bc"), 'a'}));
}

TEST(Tokenizer, mergesLeftmostOfEqualRank) {
  LoadedTokenizer t(byteLevel({{"a", "a"}}));
  EXPECT_EQ(t->encode("aaa"), (Ids{t.id("aa"), 'a'}));
  EXPECT_EQ(t->encode("aaaaa"), (Ids{t.id("aa"), t.id("aa"), 'a'}));
}

TEST(Tokenizer, ignoreMergesTakesWholeWords) {
  TokenizerData data = byteLevel({{"a", "b"}});
  data.pieces.push_back({"xyz", PieceType::Normal, true, 0});
  EXPECT_EQ(LoadedTokenizer(data)->encode("xyz"), (Ids{'x', 'y', 'z'}));
  data.ignoreMerges = true;
  EXPECT_EQ(LoadedTokenizer(data)->encode("xyz"), Ids{257});
}

TEST(Tokenizer, wordsBoundMerges) {
  TokenizerData data = byteLevel({{"a", "b"}});
  data.splits.push_back(splitStep("b"));
  EXPECT_EQ(LoadedTokenizer(data)->encode("ab"), (Ids{'a', 'b'}));
}

TEST(Tokenizer, specialTokensInTheText) {
  TokenizerData data = byteLevel({});
  addToken(data, "<s>", true);
  addToken(data, "<tool>", false);
  data.prefixIds = {256};
  LoadedTokenizer t(data);
  EXPECT_EQ(t->encode("a<s><tool>"), (Ids{256, 'a', 256, 257}));
  EXPECT_EQ(t->encode("<s>", {.addSpecial = false}), Ids{256});
  EXPECT_EQ(t->encode("<s><tool>", {.addSpecial = false, .parseSpecial = false}), (Ids{'<', 's', '>', 257}));
  EXPECT_EQ(t->encode(""), Ids{256});
  EXPECT_TRUE(t->isSpecial(256));
  EXPECT_FALSE(t->isSpecial(257));
  EXPECT_FALSE(t->isSpecial('a'));
  EXPECT_EQ(t->findAddedToken("<tool>"), 257);
  EXPECT_EQ(t->findAddedToken("<to"), std::nullopt);
}

TEST(Tokenizer, longestAddedTokenWins) {
  TokenizerData data = byteLevel({});
  addToken(data, "<a", false);
  addToken(data, "<a><b>", false);
  LoadedTokenizer t(data);
  EXPECT_EQ(t->encode("<a><b>"), Ids{257});
  EXPECT_EQ(t->encode("<a><b"), (Ids{256, '>', '<', 'b'}));
}

TEST(Tokenizer, strippingTokensTakeSpace) {
  TokenizerData data = byteLevel({});
  addToken(data, "<l>", false).leftStrip = true;
  addToken(data, "<r>", false).rightStrip = true;
  addToken(data, "word", false).singleWord = true;
  LoadedTokenizer t(data);
  EXPECT_EQ(t->encode("a \n<l> b"), (Ids{'a', 256, ' ', 'b'}));
  EXPECT_EQ(t->encode("a <r>\t\u3000b"), (Ids{'a', ' ', 257, 'b'}));
  EXPECT_EQ(t->encode("word"), Ids{258});
  EXPECT_EQ(t->encode("words"), (Ids{'w', 'o', 'r', 'd', 's'}));
}

TEST(Tokenizer, illFormedTextIsReplaced) {
  LoadedTokenizer t(byteLevel({}));
  EXPECT_EQ(t->encode("a\xFF"), t->encode("a\uFFFD"));
  EXPECT_EQ(t->encode("\xE4\xBD"), t->encode("\uFFFD"));
}

TEST(Tokenizer, unknownSymbols) {
  TokenizerData data = characters({"a", "b", "<unk>"}, {{"a", "b"}});
  EXPECT_EQ(LoadedTokenizer(data)->encode("abzzb"), (Ids{3, 1})) << "without an unknown token it is left out";
  data.unknownId = 2;
  EXPECT_EQ(LoadedTokenizer(data)->encode("abzzb"), (Ids{3, 2, 2, 1}));
  data.fuseUnknown = true;
  EXPECT_EQ(LoadedTokenizer(data)->encode("abzzb"), (Ids{3, 2, 1}));
}

TEST(Tokenizer, sentencePieceFollowsScores) {
  LoadedTokenizer t(sentencePiece({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -3}, {"bc", -1}, {"\u2581", -9}}));
  EXPECT_EQ(t->encode("abc"), (Ids{t.id("\u2581"), t.id("a"), t.id("bc")}));
  EXPECT_EQ(t->encode("ab b"), (Ids{t.id("\u2581"), t.id("ab"), t.id("\u2581"), t.id("b")}));
  EXPECT_EQ(t->encode(""), Ids{});
  EXPECT_EQ(t->encode("azzb"), (Ids{t.id("\u2581"), t.id("a"), 0, t.id("b")})) << "a run is one unknown token";
}

TEST(Tokenizer, sentencePieceUnusedPiecesComeApart) {
  TokenizerData data = sentencePiece({{"a", -9}, {"b", -9}, {"ab", -1}, {"\u2581", -9}});
  data.pieces[3].type = PieceType::Unused;
  EXPECT_EQ(LoadedTokenizer(data)->encode("ab"), (Ids{4, 1, 2}));
}

TEST(Tokenizer, sentencePieceUserDefinedPiecesStandWhole) {
  TokenizerData data = sentencePiece({{"a", -9}, {"b", -9}, {"ab", -1}, {"\u2581", -9}, {"ba", 0}});
  data.pieces[5].type = PieceType::UserDefined;
  EXPECT_EQ(LoadedTokenizer(data)->encode("abab"), (Ids{4, 1, 5, 2}));
}

TEST(Tokenizer, veryLongWords) {
  LoadedTokenizer t(byteLevel({{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}}));
  std::string text(1 << 20, 'a');
  EXPECT_EQ(t->encode(text), Ids(text.size() / 8, t.id("aaaaaaaa")));
}

TEST(Tokenizer, rulesSurviveSerialization) {
  TokenizerData data = byteLevel({{"a", "b"}});
  data.normalizers = {{NormalizerKind::Replace, "x", "yy"}};
  data.splits = {splitStep("\\s")};
  addToken(data, "<s>", true).rightStrip = true;
  data.suffixIds = {257};
  data.eosId = 257;
  data.chatTemplate = "{{ x }}";
  EXPECT_EQ(serialize(data), serialize(data));
  LoadedTokenizer t(data);
  const TokenizerRules &rules = t->rules();
  EXPECT_EQ(rules.normalizers.at(0).replacement, "yy");
  EXPECT_EQ(rules.splits.at(0).regex, "\\s");
  EXPECT_TRUE(rules.addedTokens.at(0).rightStrip);
  EXPECT_EQ(rules.suffixIds, Ids{257});
  EXPECT_EQ(rules.eosId, 257);
  EXPECT_EQ(rules.padId, -1);
  EXPECT_EQ(rules.chatTemplate, "{{ x }}");
  EXPECT_EQ(t->encode("x"), (Ids{'y', 'y', 257}));
}

TEST(Tokenizer, badRegexIsAnError) {
  TokenizerData data = byteLevel({});
  data.splits = {splitStep("(")};
  std::vector<uint8_t> image = serialize(data);
  Result<Tokenizer> tokenizer = Tokenizer::load(image);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().message.find("regular expression '('"), 0u) << tokenizer.error().message;
}

} // namespace
