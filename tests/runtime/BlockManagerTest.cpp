// SPDX-License-Identifier: Apache-2.0
// The block pool: sharing, eviction, collisions, and random use with every invariant checked.
#include "runtime/engine/BlockManager.h"
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>

namespace sinter::rt {
namespace {

using Tokens = std::vector<int32_t>;

Tokens iota(int32_t count, int32_t first = 0) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

void expectIntact(const BlockManager &manager, std::vector<const BlockTable *> tables) {
  auto result = manager.checkIntegrity(tables);
  EXPECT_TRUE(result) << result.error().message;
}

/// A sequence as the scheduler treats it: attach, reserve, (compute,) publish. Returns the tokens found.
int32_t fill(BlockManager &manager, BlockTable &table, const Tokens &tokens) {
  int32_t cached = manager.attach(table, tokens);
  EXPECT_TRUE(manager.reserve(table, static_cast<int32_t>(tokens.size())));
  manager.publish(table, tokens, static_cast<int32_t>(tokens.size()));
  return cached;
}

TEST(BlockManager, GrowsBlockByBlock) {
  BlockManager manager(4, 4);
  BlockTable table;
  EXPECT_TRUE(manager.reserve(table, 4));
  EXPECT_EQ(table.blocks.size(), 1u);
  EXPECT_TRUE(manager.reserve(table, 5));
  EXPECT_EQ(table.blocks.size(), 2u);
  EXPECT_TRUE(manager.reserve(table, 3)) << "never shrinks";
  EXPECT_EQ(table.blocks.size(), 2u);
  EXPECT_FALSE(manager.reserve(table, 17));
  EXPECT_EQ(manager.numUsed(), 2) << "a refusal changes nothing";
  EXPECT_TRUE(manager.reserve(table, 16));
  EXPECT_EQ(manager.numAvailable(), 0);
  expectIntact(manager, {&table});
  manager.release(table);
  EXPECT_EQ(manager.numFree(), 4) << "unpublished blocks are free at once";
  expectIntact(manager, {});
}

TEST(BlockManager, SharesFullBlocksOnly) {
  BlockManager manager(8, 4);
  BlockTable a, b;
  EXPECT_EQ(fill(manager, a, iota(10)), 0);
  EXPECT_EQ(fill(manager, b, iota(11)), 8);
  EXPECT_EQ(a.blocks[0], b.blocks[0]);
  EXPECT_EQ(a.blocks[1], b.blocks[1]);
  EXPECT_NE(a.blocks[2], b.blocks[2]);
  EXPECT_EQ(manager.numUsed(), 4);
  expectIntact(manager, {&a, &b});
}

TEST(BlockManager, LeavesTheLastTokenToCompute) {
  BlockManager manager(8, 4);
  BlockTable a, b, c;
  fill(manager, a, iota(8));
  EXPECT_EQ(fill(manager, b, iota(8)), 4) << "all of it is cached, but logits need the last token";
  EXPECT_EQ(fill(manager, c, iota(9)), 8);
  expectIntact(manager, {&a, &b, &c});
}

TEST(BlockManager, NothingIsSharedBeforeItIsComputed) {
  BlockManager manager(8, 4);
  BlockTable a, b;
  ASSERT_TRUE(manager.reserve(a, 12));
  EXPECT_EQ(manager.attach(b, iota(12)), 0);
  manager.publish(a, iota(12), 7);
  EXPECT_EQ(manager.attach(b, iota(12)), 4);
  expectIntact(manager, {&a, &b});
}

TEST(BlockManager, ThePrefixDecidesNotTheBlock) {
  BlockManager manager(8, 2);
  BlockTable a, b;
  fill(manager, a, {1, 2, 7, 8, 0});
  EXPECT_EQ(fill(manager, b, {3, 4, 7, 8, 0}), 0) << "the same block after another prefix is another block";
  BlockTable c;
  EXPECT_EQ(fill(manager, c, {1, 2, 7, 8, 5}), 4);
  EXPECT_EQ(c.blocks[1], a.blocks[1]);
  expectIntact(manager, {&a, &b, &c});
}

TEST(BlockManager, CachedBlocksSurviveUntilTheyAreNeeded) {
  BlockManager manager(4, 2);
  BlockTable a;
  fill(manager, a, iota(6));
  manager.release(a);
  EXPECT_EQ(manager.numCached(), 3);
  EXPECT_EQ(manager.numFree(), 1);
  EXPECT_EQ(fill(manager, a, iota(6)), 4) << "and are found again";
  manager.release(a);
  BlockTable other;
  EXPECT_EQ(fill(manager, other, iota(4, 50)), 0);
  EXPECT_EQ(manager.numEvictions(), 1);
  EXPECT_EQ(manager.attach(a, iota(7)), 4) << "the end of the prefix went first";
  expectIntact(manager, {&a, &other});
}

TEST(BlockManager, EvictsLeastRecentlyUsedFirst) {
  BlockManager manager(3, 2);
  BlockTable a, b, c;
  fill(manager, a, {1, 1});
  fill(manager, b, {2, 2});
  fill(manager, c, {3, 3});
  manager.release(b);
  manager.release(a);
  manager.release(c);
  BlockTable table;
  ASSERT_TRUE(manager.reserve(table, 2));
  BlockTable found;
  EXPECT_EQ(manager.attach(found, Tokens{2, 2, 0}), 0);
  EXPECT_EQ(manager.attach(found, Tokens{1, 1, 0}), 2);
  expectIntact(manager, {&table, &found});
}

TEST(BlockManager, EqualPrefixesComputedSideBySide) {
  BlockManager manager(12, 2);
  BlockTable a, b;
  ASSERT_TRUE(manager.reserve(a, 5));
  ASSERT_TRUE(manager.reserve(b, 7));
  manager.publish(a, iota(5), 4);
  manager.publish(b, iota(7), 6);
  EXPECT_NE(a.blocks[0], b.blocks[0]) << "both were computed";
  BlockTable c;
  EXPECT_EQ(manager.attach(c, iota(8)), 6) << "the longer chain continues the shared one";
  EXPECT_EQ(c.blocks[0], a.blocks[0]);
  EXPECT_EQ(c.blocks[2], b.blocks[2]);
  expectIntact(manager, {&a, &b, &c});
}

uint64_t collideAlways(uint64_t, std::span<const int32_t>) { return 42; }
uint64_t collideOften(uint64_t parent, std::span<const int32_t> tokens) { return (parent + tokens[0]) % 3; }

TEST(BlockManager, ACollisionNeverSharesAWrongBlock) {
  for (auto hash : {collideAlways, collideOften}) {
    BlockManager manager(16, 2, true, hash);
    BlockTable a, b, c, d;
    fill(manager, a, {1, 2, 7, 8, 0});
    EXPECT_EQ(fill(manager, b, {4, 2, 7, 8, 0}), 0);
    EXPECT_EQ(fill(manager, c, {4, 2, 7, 8, 1}), 4);
    EXPECT_EQ(c.blocks[0], b.blocks[0]);
    EXPECT_EQ(c.blocks[1], b.blocks[1]) << "tokens and key are those of a's second block too, the prefix is not";
    EXPECT_EQ(fill(manager, d, {7, 8, 1, 2, 0}), 0);
    expectIntact(manager, {&a, &b, &c, &d});
  }
}

TEST(BlockManager, SharingCanBeOff) {
  BlockManager manager(8, 2, false);
  BlockTable a, b;
  fill(manager, a, iota(6));
  EXPECT_EQ(fill(manager, b, iota(6)), 0);
  manager.release(a);
  EXPECT_EQ(manager.numCached(), 0);
  expectIntact(manager, {&b});
}

TEST(BlockManager, TheCheckFindsWhatIsWrong) {
  BlockManager manager(4, 2);
  BlockTable a;
  fill(manager, a, iota(4));
  EXPECT_FALSE(manager.checkIntegrity({})) << "a table is missing";
  BlockTable copy = a;
  const BlockTable *tables[] = {&a, &copy};
  auto result = manager.checkIntegrity(tables);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "block 0 counts 1 references, tables hold 2");
  copy.blocks = {a.blocks[0], a.blocks[0]};
  const BlockTable *doubled[] = {&copy};
  result = manager.checkIntegrity(doubled);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "block 0 is in a table twice");
}

/// Random use over few tokens, so that prefixes meet; what a block holds is tracked beside the manager.
void useAtRandom(BlockManager::HashFn hash, uint32_t seed) {
  constexpr int32_t kBlock = 3, kBlocks = 24;
  BlockManager manager(kBlocks, kBlock, true, hash);
  std::vector<Tokens> written(kBlocks); // the whole prefix up to and including each block
  struct Live {
    Tokens tokens;
    BlockTable table;
  };
  std::map<int, Live> live;
  std::mt19937 random(seed);
  auto prefix = [](const Tokens &tokens, size_t block) {
    return Tokens(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(block + 1) * kBlock);
  };
  for (int round = 0; round < 4000; ++round) {
    if (random() % 2 == 0 || live.empty()) {
      Live one;
      for (size_t length = 1 + random() % 20; one.tokens.size() < length;)
        one.tokens.push_back(static_cast<int32_t>(random() % 2));
      int32_t cached = manager.attach(one.table, one.tokens);
      for (size_t i = 0; i < one.table.blocks.size(); ++i)
        ASSERT_EQ(written[one.table.blocks[i]], prefix(one.tokens, i)) << "a wrong block was shared";
      if (!manager.reserve(one.table, static_cast<int32_t>(one.tokens.size()))) {
        manager.release(one.table);
      } else {
        for (size_t i = cached / kBlock; i < one.tokens.size() / kBlock; ++i)
          written[one.table.blocks[i]] = prefix(one.tokens, i);
        manager.publish(one.table, one.tokens, static_cast<int32_t>(random() % (one.tokens.size() + 1)));
        live[round] = std::move(one);
      }
    } else {
      auto victim = std::next(live.begin(), static_cast<ptrdiff_t>(random() % live.size()));
      manager.release(victim->second.table);
      live.erase(victim);
    }
    std::vector<const BlockTable *> tables;
    for (auto &[id, one] : live)
      tables.push_back(&one.table);
    auto result = manager.checkIntegrity(tables);
    ASSERT_TRUE(result) << result.error().message;
  }
  for (auto &[id, one] : live)
    manager.release(one.table);
  EXPECT_EQ(manager.numUsed(), 0);
  EXPECT_GT(manager.numEvictions(), 100);
}

TEST(BlockManager, RandomUse) { useAtRandom(BlockManager::hashTokens, 1); }
TEST(BlockManager, RandomUseWithCollisions) { useAtRandom(collideOften, 2); }

} // namespace
} // namespace sinter::rt
