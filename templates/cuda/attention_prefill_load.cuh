// SPDX-License-Identifier: Apache-2.0
// The loading side of prefill attention on sm_90a: one warp orders keys and one values, as bulk copies; another fetches
// the queries of the next tile while the current one is computed, and says which tile they are of.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/attention_prefill_config.h"
#include "templates/cuda/attention_prefill_tiles.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

/// Addresses in shared memory.
template <AttentionPrefillConfig C>
struct PrefillShared {
  u32 base;
  __device__ u32 keys(u32 stage) const { return base + stage * C.stageBytes(); }
  __device__ u32 values(u32 stage) const { return base + (C.stages + stage) * C.stageBytes(); }
  __device__ u32 queries() const { return base + C.queriesAt(); }
  __device__ u32 tile() const { return base + C.tileAt(); }
  __device__ u32 barrier(u32 i) const { return base + C.barriersAt() + i * 8; }
  __device__ u32 keysFull(u32 stage) const { return barrier(stage); }
  __device__ u32 valuesFull(u32 stage) const { return barrier(C.stages + stage); }
  __device__ u32 keysEmpty(u32 stage) const { return barrier(2 * C.stages + stage); }
  __device__ u32 valuesEmpty(u32 stage) const { return barrier(3 * C.stages + stage); }
  __device__ u32 queriesFull() const { return barrier(4 * C.stages); }
  __device__ u32 queriesEmpty() const { return barrier(4 * C.stages + 1); }

  /// By one thread, before a barrier of the CTA.
  __device__ void init() const {
    for (u32 stage = 0; stage < C.stages; ++stage) {
      barrierInit(keysFull(stage), 1);
      barrierInit(valuesFull(stage), 1);
      barrierInit(keysEmpty(stage), C.consumers() / 32);
      barrierInit(valuesEmpty(stage), C.consumers() / 32);
    }
    barrierInit(queriesFull(), 32 + 1); // a warp's copies, and the tile
    barrierInit(queriesEmpty(), C.consumers() / 32);
    barrierInitFence();
  }
};

/// The keys, or the values, of all of this CTA's tiles. Keys of a step lie together for each 64 columns, so that one
/// wgmma reads them all; values block after block. By one warp, after waitForPrerequisites().
template <AttentionPrefillConfig C, bool Values>
__device__ __forceinline__ void loadCache(const rt::CudaStep &step, const PrefillShared<C> &shared, const char *pool,
                                          int lane) {
  constexpr int headBytes = kvHeadBytes(C.headDim), columnsBytes = kvBlockTokens * atomColumns * 2;
  PrefillTiles<C.rows(), C.heads> tiles(step, lane);
  PrefillTile tile;
  RingPlace<C.stages> place{0, 1}; // the parity of a stage that was never filled counts as emptied
#pragma unroll 1
  for (int round = 0; tiles.find(step, lane, prefillTileNumber(round), tile); ++round) {
    PrefillBlocks ids(step, tile);
    int blocks = tile.blocks(), kvHead = tile.head / C.group();
#pragma unroll 1
    for (int block = 0; block < blocks; ++block) {
      int id = ids.id(block, lane), inStep = block % C.stepBlocks();
      if (lane == 0) {
        u32 full = Values ? shared.valuesFull(place.slot) : shared.keysFull(place.slot);
        if (inStep == 0) {
          barrierWait(Values ? shared.valuesEmpty(place.slot) : shared.keysEmpty(place.slot), place.parity);
          barrierArriveExpect(full, min(blocks - block, C.stepBlocks()) * headBytes);
        }
        const char *source = pool + ((long long)id * C.kvHeads + kvHead) * (2 * headBytes);
        if constexpr (Values) {
          bulkCopy(shared.values(place.slot) + inStep * headBytes, source + headBytes, headBytes, full);
        } else {
#pragma unroll
          for (int columns = 0; columns < C.headDim / 64; ++columns)
            bulkCopy(shared.keys(place.slot) + (columns * C.stepBlocks() + inStep) * columnsBytes,
                     source + columns * columnsBytes, columnsBytes, full);
        }
      }
      __syncwarp();
      if (inStep == C.stepBlocks() - 1 || block == blocks - 1)
        place.advance();
    }
  }
}

/// The queries of all of this CTA's tiles; a tile without rows is the end. By one warp, after waitForPrerequisites().
template <AttentionPrefillConfig C>
__device__ __forceinline__ void loadQueries(const rt::CudaStep &step, const PrefillShared<C> &shared, const u16 *q,
                                            int lane) {
  constexpr int pieces = C.headDim / 8, stride = C.heads * C.headDim, perPass = 32 / pieces;
  PrefillTiles<C.rows(), C.heads> tiles(step, lane);
  int piece = lane % pieces;
  bool more = true;
#pragma unroll 1
  for (int round = 0; more; ++round) {
    PrefillTile tile{};
    more = tiles.find(step, lane, prefillTileNumber(round), tile);
    barrierWait(shared.queriesEmpty(), ~round & 1);
    if (more) {
      int row = lane / pieces;
      const u16 *source = q + (long long)(tile.firstRow + row) * stride + tile.head * C.headDim + piece * 8;
      u32 target = shared.queries() + piece / 8 * (C.rows() * atomColumns * 2);
#pragma unroll 1 // registers are few here
      for (; row < C.rows(); row += perPass) {
        asyncCopy(target + row * (atomColumns * 2) + (piece % 8 ^ row % atomRows) * 16, source,
                  row < tile.rows ? 16 : 0);
        if (row + perPass < tile.rows)
          source += perPass * stride;
      }
    } else {
      tile.rows = 0;
    }
    if (lane == 0) {
      storeShared(shared.tile(), {u32(tile.head), u32(tile.firstRow), u32(tile.rows), u32(tile.firstPosition)});
      storeShared(shared.tile() + 16, {u32(tile.context), u32(tile.sequence), 0, 0});
      barrierArrive(shared.queriesFull());
    }
    asyncCopyArrive(shared.queriesFull());
  }
  asyncCopyWait();
}

} // namespace sinter::cuda
