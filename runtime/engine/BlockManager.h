// SPDX-License-Identifier: Apache-2.0
// The KV cache as a pool of equal blocks: who holds which, what full blocks contain, and which may be given away.
//
// A block is in exactly one state:
//   used    some tables refer to it (refCount > 0)
//   cached  none does, but it holds a known full block of tokens: found again by prefix, evicted least recently used
//   first free    none does and its contents mean nothing
// Only full blocks are shared and only positions beyond them are written, so that a shared block is never written to.
//
// Full blocks are found by a chained hash (a block's key mixes its predecessor's key with its tokens), but the key only
// finds candidates: the tokens are compared, and the predecessor must be the very block matched before, named by a
// serial number that is never used twice. A collision costs time and never shares a wrong block.
#pragma once
#include "runtime/support/Error.h"
#include <cstdint>
#include <span>
#include <vector>

namespace sinter::rt {

/// The blocks of one sequence in order of position. The manager alone changes it.
struct BlockTable {
  std::vector<int32_t> blocks;
  int32_t numPublished = 0; ///< leading full blocks that are in the prefix index, or equal to one that is
  uint64_t key = 0;         ///< chained hash of these
  uint64_t serial = 0;      ///< the last of these in the index; 0 before the first
};

class BlockManager {
public:
  /// The key of a block of tokens after a block (or nothing, 0) with key `parent`.
  using HashFn = uint64_t (*)(uint64_t parent, std::span<const int32_t> tokens);
  static uint64_t hashTokens(uint64_t parent, std::span<const int32_t> tokens);

  BlockManager(int32_t numBlocks, int32_t blockTokens, bool sharePrefixes = true, HashFn hash = hashTokens);

  /// Takes references to the cached full blocks that `tokens` starts with, into an empty table; returns how many tokens
  /// they hold. At least the last token is left to compute.
  int32_t attach(BlockTable &table, std::span<const int32_t> tokens);

  /// Grows the table to hold `numTokens` tokens; false, and nothing changes, when there are not enough blocks.
  bool reserve(BlockTable &table, int32_t numTokens);

  /// The keys and values of tokens[0, numComputed) are written: full blocks among them can be shared from now on.
  void publish(BlockTable &table, std::span<const int32_t> tokens, int32_t numComputed);

  /// Drops all references of the table, last block first, so that the ends of prefixes are evicted before their starts.
  void release(BlockTable &table);

  /// Forgets what the cached blocks hold: what wrote to them cannot be trusted.
  void forgetCached();

  int32_t blockTokens() const { return tokensPerBlock; }
  int32_t numBlocks() const { return static_cast<int32_t>(blocks.size()); }
  int32_t numFree() const { return static_cast<int32_t>(freeList.size()); }
  int32_t numCached() const { return cachedCount; }
  int32_t numUsed() const { return numBlocks() - numFree() - numCached(); }
  int32_t numAvailable() const { return numFree() + numCached(); }
  int64_t numEvictions() const { return evictions; }
  int32_t blocksFor(int32_t numTokens) const { return (numTokens + tokensPerBlock - 1) / tokensPerBlock; }

  /// Checks every invariant against all the tables there are; the error names the first one that does not hold.
  Result<void> checkIntegrity(std::span<const BlockTable *const> tables) const;

private:
  struct Block {
    int32_t refCount = 0;
    int32_t nextInBucket = -1;              ///< in the prefix index
    int32_t lruPrevious = -1, lruNext = -1; ///< among cached blocks
    uint64_t key = 0;
    uint64_t serial = 0, parentSerial = 0; ///< serial 0: not in the index
  };

  std::span<const int32_t> tokensOf(int32_t id) const;
  int32_t find(uint64_t key, uint64_t parentSerial, std::span<const int32_t> tokens) const;
  void addToIndex(int32_t id, uint64_t key, uint64_t parentSerial, std::span<const int32_t> tokens);
  void removeFromIndex(int32_t id);
  void pushLru(int32_t id);
  void unlinkLru(int32_t id);
  int32_t takeBlock();
  void addReference(int32_t id);
  void dropReference(int32_t id);
  Result<void> checkReferences(std::span<const BlockTable *const> tables) const;
  Result<void> checkStates() const;
  Result<void> checkIndex() const;
  size_t bucketOf(uint64_t key) const { return key & (buckets.size() - 1); }

  int32_t tokensPerBlock;
  bool sharing;
  HashFn hash;
  std::vector<Block> blocks;
  std::vector<int32_t> contents; ///< [numBlocks, tokensPerBlock], of blocks in the index
  std::vector<int32_t> freeList; ///< a stack
  std::vector<int32_t> buckets;  ///< first block of each chain of the index; a power of two of them
  int32_t lruFirst = -1, lruLast = -1, cachedCount = 0;
  uint64_t nextSerial = 1;
  int64_t evictions = 0;
};

} // namespace sinter::rt
