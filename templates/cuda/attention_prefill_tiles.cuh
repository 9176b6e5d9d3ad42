// SPDX-License-Identifier: Apache-2.0
// The work of a prefill attention, found on the device: tiles of query rows of one head, of the sequences that have
// more than one token in this step. Tiles are numbered by sequence, from a sequence's last rows (the longest work) to
// its first, all heads of a tile in turn, so that CTAs that run side by side read the same keys.
#pragma once
#include "templates/cuda/layout.h"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/step_counts.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

struct PrefillTile {
  int sequence, head;
  int firstRow;      ///< of the step's tokens
  int rows;          ///< 1 to the tile's size
  int firstPosition; ///< of firstRow in its sequence
  int context;       ///< tokens of the sequence in the cache

  __device__ int lastPosition() const { return firstPosition + rows - 1; }
  /// KV blocks that these rows look at.
  __device__ int blocks() const { return lastPosition() / kvBlockTokens + 1; }
};

/// The tile that CTA `blockIdx.x` takes in round `round`: there and back, so that long and short add up evenly. It
/// grows with the round.
__device__ __forceinline__ int prefillTileNumber(int round) {
  int grid = int(gridDim.x), block = int(blockIdx.x);
  return round * grid + (round & 1 ? grid - 1 - block : block);
}

/// Finds tiles by number, in ascending order, by a whole warp: a lane holds one of 32 sequences.
template <int Rows, int Heads>
class PrefillTiles {
  int first = 0, base = 0; // the sequence that lane 0 holds, and the number of its first tile
  int start = 0, length = 0, context = 0;
  int end = 0; // tiles up to this lane's sequence, it included

  __device__ void load(const rt::CudaStep &step, int lane) {
    int sequences = sequenceCount(step), sequence = first + lane;
    start = length = context = end = 0;
    if (sequence < sequences) {
      start = loadL2(step.queryStart + sequence);
      length = loadL2(step.queryStart + sequence + 1) - start;
      context = loadL2(step.contextLengths + sequence);
      end = length > 1 ? ceilDiv(length, Rows) * Heads : 0;
    }
    end = prefixSum(end, lane);
  }

public:
  /// After waitForPrerequisites().
  __device__ PrefillTiles(const rt::CudaStep &step, int lane) { load(step, lane); }

  /// False: there is no such tile.
  __device__ bool find(const rt::CudaStep &step, int lane, int number, PrefillTile &tile) {
    int total = __shfl_sync(~0u, end, 31);
    while (number >= base + total) {
      base += total, first += 32;
      if (first >= sequenceCount(step))
        return false;
      load(step, lane);
      total = __shfl_sync(~0u, end, 31);
    }
    int owner = __popc(__ballot_sync(~0u, base + end <= number));
    int below = owner ? __shfl_sync(~0u, end, owner - 1) : 0;
    int rowsBefore = __shfl_sync(~0u, start, owner), count = __shfl_sync(~0u, length, owner);
    tile.context = __shfl_sync(~0u, context, owner);
    int inSequence = number - base - below, fromEnd = inSequence / Heads;
    int offset = (ceilDiv(count, Rows) - 1 - fromEnd) * Rows;
    tile.sequence = first + owner;
    tile.head = inSequence % Heads;
    tile.firstRow = rowsBefore + offset;
    tile.rows = min(Rows, count - offset);
    tile.firstPosition = tile.context - count + offset;
    return true;
  }
};

/// The ids of a sequence's KV blocks, 32 at a time in the lanes of a warp; asked for in ascending order.
class PrefillBlocks {
  const int *row;
  int base, count, ids = 0;

public:
  __device__ PrefillBlocks(const rt::CudaStep &step, const PrefillTile &tile)
      : row(step.blockTable + (long long)tile.sequence * step.blockTableStride), base(-32), count(tile.blocks()) {}

  /// By a whole warp.
  __device__ int id(int block, int lane) {
    if (block >= base + 32) {
      base = block;
      ids = loadL2(row + min(base + lane, count - 1));
    }
    return __shfl_sync(~0u, ids, block - base);
  }
};

} // namespace sinter::cuda
