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
    barrierInit(queriesEmpty(), C.consumers());
    barrierInitFence();
  }
};

/// Makes zeros of the values of a step from token `first` on, which nobody wrote: an exponential of zero times whatever
/// they hold need not be zero. By the warp that loads them, while others still compute with earlier ones.
template <AttentionPrefillConfig C>
__device__ __forceinline__ void clearValues(u32 stage, int first, int lane) {
#pragma unroll 1
  for (int i = first * 8 + lane; i < C.keys * 8; i += 32)
#pragma unroll
    for (int columns = 0; columns < C.headDim / 64; ++columns) {
      u32 at = i / 8 / kvBlockTokens * kvHeadBytes(C.headDim) + columns * (kvBlockTokens * atomColumns * 2);
      storeShared(stage + at + i % (kvBlockTokens * 8) * 16, {0, 0, 0, 0});
    }
  asyncProxyFence();
}

/// The keys, or the values, of all of this CTA's tiles. Keys of a step lie together for each 64 columns, so that one
/// wgmma reads them all; values block after block. Keys that nobody wrote stay what was there before: their scores are
/// masked. By one warp, after waitForPrerequisites().
template <AttentionPrefillConfig C, bool Values>
__device__ __forceinline__ void loadCache(const rt::CudaStep &step, const PrefillShared<C> &shared, const char *pool,
                                          int lane) {
  constexpr int rowBytes = atomColumns * 2, columnsBytes = kvBlockTokens * rowBytes, headBytes = kvHeadBytes(C.headDim);
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
      int written = min(tile.context, blocks * kvBlockTokens) - block * kvBlockTokens; // tokens from this block on
      u32 full = Values ? shared.valuesFull(place.slot) : shared.keysFull(place.slot);
      if (inStep == 0) {
        barrierWait(Values ? shared.valuesEmpty(place.slot) : shared.keysEmpty(place.slot), place.parity);
        if (Values && written < C.keys)
          clearValues<C>(shared.values(place.slot), written, lane);
        __syncwarp();
        if (lane == 0)
          barrierArriveExpect(full, min(written, C.keys) * (C.headDim * 2));
      }
      if (lane == 0) {
        const char *source = pool + (((long long)id * C.kvHeads + kvHead) * 2 + Values) * headBytes;
        u32 target =
            Values ? shared.values(place.slot) + inStep * headBytes : shared.keys(place.slot) + inStep * columnsBytes;
#pragma unroll
        for (int columns = 0; columns < C.headDim / 64; ++columns)
          bulkCopy(target + columns * columnsBytes * (Values ? 1 : C.stepBlocks()), source + columns * columnsBytes,
                   min(written, kvBlockTokens) * rowBytes, full);
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
