// SPDX-License-Identifier: Apache-2.0
// Blocks of the KV cache: references, the prefix index, eviction. BlockManagerCheck.cpp verifies the invariants.
#include "runtime/engine/BlockManager.h"
#include <algorithm>
#include <bit>
#include <cassert>

namespace sinter::rt {

uint64_t BlockManager::hashTokens(uint64_t parent, std::span<const int32_t> tokens) {
  uint64_t hash = parent + 0x9E3779B97F4A7C15;
  for (int32_t token : tokens) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0xD6E8FEB86659FD93;
    hash ^= hash >> 32;
  }
  return hash;
}

BlockManager::BlockManager(int32_t numBlocks, int32_t blockTokens, bool sharePrefixes, HashFn hash)
    : tokensPerBlock(blockTokens), sharing(sharePrefixes), hash(hash), blocks(numBlocks),
      contents(static_cast<size_t>(numBlocks) * blockTokens),
      buckets(std::bit_ceil(static_cast<size_t>(numBlocks)), -1) {
  assert(numBlocks > 0 && blockTokens > 0 && "a KV cache has at least one block of one token");
  for (int32_t id = numBlocks; id-- > 0;)
    freeList.push_back(id);
}

int32_t BlockManager::attach(BlockTable &table, std::span<const int32_t> tokens) {
  assert(table.blocks.empty() && "prefixes are attached to empty tables");
  if (!sharing || tokens.empty())
    return 0;
  size_t usable = (tokens.size() - 1) / tokensPerBlock;
  for (size_t i = 0; i < usable; ++i) {
    auto part = tokens.subspan(i * tokensPerBlock, tokensPerBlock);
    uint64_t key = hash(table.key, part);
    int32_t id = find(key, table.serial, part);
    if (id < 0)
      break;
    addReference(id);
    table.blocks.push_back(id);
    table.key = key;
    table.serial = blocks[id].serial;
  }
  table.numPublished = static_cast<int32_t>(table.blocks.size());
  return table.numPublished * tokensPerBlock;
}

bool BlockManager::reserve(BlockTable &table, int32_t numTokens) {
  int32_t missing = blocksFor(numTokens) - static_cast<int32_t>(table.blocks.size());
  if (missing > numAvailable())
    return false;
  for (; missing > 0; --missing)
    table.blocks.push_back(takeBlock());
  return true;
}

void BlockManager::publish(BlockTable &table, std::span<const int32_t> tokens, int32_t numComputed) {
  if (!sharing)
    return;
  for (; (table.numPublished + 1) * tokensPerBlock <= numComputed; ++table.numPublished) {
    auto part = tokens.subspan(static_cast<size_t>(table.numPublished) * tokensPerBlock, tokensPerBlock);
    uint64_t key = hash(table.key, part);
    // Two sequences may have computed the same prefix side by side. The second keeps its own copy to itself, and what
    // it computes next continues the first one's chain.
    int32_t id = find(key, table.serial, part);
    if (id < 0) {
      id = table.blocks[table.numPublished];
      addToIndex(id, key, table.serial, part);
    }
    table.key = key;
    table.serial = blocks[id].serial;
  }
}

void BlockManager::release(BlockTable &table) {
  for (size_t i = table.blocks.size(); i-- > 0;)
    dropReference(table.blocks[i]);
  table = {};
}

void BlockManager::forgetCached() {
  while (lruFirst >= 0) {
    int32_t id = lruFirst;
    unlinkLru(id);
    removeFromIndex(id);
    freeList.push_back(id);
  }
}

std::span<const int32_t> BlockManager::tokensOf(int32_t id) const {
  return {contents.data() + static_cast<size_t>(id) * tokensPerBlock, static_cast<size_t>(tokensPerBlock)};
}

int32_t BlockManager::find(uint64_t key, uint64_t parentSerial, std::span<const int32_t> tokens) const {
  for (int32_t id = buckets[bucketOf(key)]; id >= 0; id = blocks[id].nextInBucket)
    if (blocks[id].key == key && blocks[id].parentSerial == parentSerial && std::ranges::equal(tokensOf(id), tokens))
      return id;
  return -1;
}

void BlockManager::addToIndex(int32_t id, uint64_t key, uint64_t parentSerial, std::span<const int32_t> tokens) {
  Block &block = blocks[id];
  assert(block.serial == 0 && "a block is published once");
  std::ranges::copy(tokens, contents.begin() + static_cast<ptrdiff_t>(id) * tokensPerBlock);
  block.key = key;
  block.serial = nextSerial++;
  block.parentSerial = parentSerial;
  int32_t &head = buckets[bucketOf(key)];
  block.nextInBucket = head;
  head = id;
}

void BlockManager::removeFromIndex(int32_t id) {
  int32_t *link = &buckets[bucketOf(blocks[id].key)];
  while (*link != id)
    link = &blocks[*link].nextInBucket;
  *link = blocks[id].nextInBucket;
  blocks[id] = Block{};
}

void BlockManager::pushLru(int32_t id) {
  blocks[id].lruPrevious = lruLast;
  blocks[id].lruNext = -1;
  (lruLast < 0 ? lruFirst : blocks[lruLast].lruNext) = id;
  lruLast = id;
  ++cachedCount;
}

void BlockManager::unlinkLru(int32_t id) {
  auto [previous, next] = std::pair(blocks[id].lruPrevious, blocks[id].lruNext);
  (previous < 0 ? lruFirst : blocks[previous].lruNext) = next;
  (next < 0 ? lruLast : blocks[next].lruPrevious) = previous;
  blocks[id].lruPrevious = blocks[id].lruNext = -1;
  --cachedCount;
}

int32_t BlockManager::takeBlock() {
  int32_t id = lruFirst;
  if (!freeList.empty()) {
    id = freeList.back();
    freeList.pop_back();
  } else {
    unlinkLru(id);
    removeFromIndex(id);
    ++evictions;
  }
  blocks[id].refCount = 1;
  return id;
}

void BlockManager::addReference(int32_t id) {
  if (blocks[id].refCount++ == 0)
    unlinkLru(id);
}

void BlockManager::dropReference(int32_t id) {
  assert(blocks[id].refCount > 0 && "a released block is referenced");
  if (--blocks[id].refCount > 0)
    return;
  if (blocks[id].serial != 0)
    pushLru(id);
  else
    freeList.push_back(id);
}

} // namespace sinter::rt
