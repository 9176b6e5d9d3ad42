// SPDX-License-Identifier: Apache-2.0
// BlockManager::checkIntegrity: every invariant of the block pool, recounted from scratch. For tests and idle moments.
#include "runtime/engine/BlockManager.h"

namespace sinter::rt {

namespace {

tl::unexpected<Error> wrong(int32_t id, const std::string &what) {
  return fail("block " + std::to_string(id) + " " + what);
}

} // namespace

Result<void> BlockManager::checkIntegrity(std::span<const BlockTable *const> tables) const {
  if (auto result = checkReferences(tables); !result)
    return result;
  if (auto result = checkStates(); !result)
    return result;
  return checkIndex();
}

/// Reference counts are the tables' references; a table refers to a block once.
Result<void> BlockManager::checkReferences(std::span<const BlockTable *const> tables) const {
  std::vector<int32_t> references(blocks.size());
  std::vector<const BlockTable *> lastTable(blocks.size());
  for (const BlockTable *table : tables) {
    if (table->numPublished > static_cast<int32_t>(table->blocks.size()))
      return fail("a table of " + std::to_string(table->blocks.size()) + " blocks has published " +
                  std::to_string(table->numPublished));
    for (int32_t id : table->blocks) {
      if (id < 0 || id >= numBlocks())
        return wrong(id, "does not exist");
      if (lastTable[id] == table)
        return wrong(id, "is in a table twice");
      lastTable[id] = table;
      ++references[id];
    }
  }
  for (int32_t id = 0; id < numBlocks(); ++id)
    if (blocks[id].refCount != references[id])
      return wrong(id, "counts " + std::to_string(blocks[id].refCount) + " references, tables hold " +
                           std::to_string(references[id]));
  return {};
}

/// Unreferenced blocks are on the free list or on the LRU list, once; referenced ones on neither.
Result<void> BlockManager::checkStates() const {
  std::vector<int32_t> listed(blocks.size());
  for (int32_t id : freeList) {
    if (blocks[id].serial != 0)
      return wrong(id, "is free and in the index");
    ++listed[id];
  }
  int32_t previous = -1, count = 0;
  for (int32_t id = lruFirst; id >= 0; previous = id, id = blocks[id].lruNext) {
    if (blocks[id].serial == 0)
      return wrong(id, "is cached and not in the index");
    if (blocks[id].lruPrevious != previous || ++count > numBlocks())
      return wrong(id, "has a broken link in the LRU list");
    ++listed[id];
  }
  if (previous != lruLast || count != cachedCount)
    return fail("the LRU list has " + std::to_string(count) + " blocks, expected " + std::to_string(cachedCount));
  for (int32_t id = 0; id < numBlocks(); ++id)
    if (listed[id] != (blocks[id].refCount == 0))
      return wrong(id, "with " + std::to_string(blocks[id].refCount) + " references is on " +
                           std::to_string(listed[id]) + " lists");
  return {};
}

/// The index holds the blocks with a serial number, each in its bucket, no content twice.
Result<void> BlockManager::checkIndex() const {
  int32_t indexed = 0, published = 0;
  for (size_t bucket = 0; bucket < buckets.size(); ++bucket)
    for (int32_t id = buckets[bucket]; id >= 0; id = blocks[id].nextInBucket) {
      if (bucketOf(blocks[id].key) != bucket || ++indexed > numBlocks())
        return wrong(id, "is in the wrong bucket of the index");
      if (find(blocks[id].key, blocks[id].parentSerial, tokensOf(id)) != id)
        return wrong(id, "has the same contents as another one in the index");
    }
  for (const Block &block : blocks) {
    published += block.serial != 0;
    if (block.serial >= nextSerial || (block.serial != 0 && block.parentSerial >= block.serial))
      return fail("serial " + std::to_string(block.serial) + " follows " + std::to_string(block.parentSerial));
  }
  if (indexed != published)
    return fail("the index holds " + std::to_string(indexed) + " blocks, expected " + std::to_string(published));
  return {};
}

} // namespace sinter::rt
