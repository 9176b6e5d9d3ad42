// SPDX-License-Identifier: Apache-2.0
// The order in which matmul weights, keys and values lie in memory, for every architecture and every kernel. Shared by
// device code and by the packer on the host.
//
// Both are cut into atoms of 8 rows x 64 columns of bfloat16: eight rows of 128 bytes, in which the 16-byte piece c of
// row r lies at place c ^ r. That is what TMA calls 128-byte swizzle and what wgmma's descriptors read, and it lets
// ldmatrix fetch the same piece of eight rows without a bank conflict. So any range of atoms is one bulk copy, and no
// kernel has to rearrange anything.
//
// Source: PTX ISA 9.0, "Swizzling Modes" and "Shared Memory Matrix Layout"
//
// A weight [n, k] is   [tile of 16 rows][block of 64 columns][atom: rows 0-7, rows 8-15][8][64]
// A block of the KV cache, one layer, is   [kv head][keys, values][head_dim / 64][atom of 8 tokens: 8][8][64]
#pragma once

namespace sinter::cuda {

inline constexpr int atomRows = 8, atomColumns = 64;
inline constexpr int atomBytes = atomRows * atomColumns * 2;

inline constexpr int tileRows = 16;              ///< rows of a weight in a tile
inline constexpr int blockColumns = atomColumns; ///< columns of a weight in a block
inline constexpr int blockBytes = 2 * atomBytes; ///< of a tile: 2 KiB

constexpr int ceilDiv(int a, int b) { return (a + b - 1) / b; }

/// Where, in elements, (row, column) lies in its atom; row below 8, column below 64.
constexpr int atomIndex(int row, int column) { return row * atomColumns + (column / 8 ^ row) * 8 + column % 8; }

/// Blocks of one tile; columns past k are packed as zeros.
constexpr int blocksOf(int k) { return ceilDiv(k, blockColumns); }

/// Where, in elements, the weight at (row, column) lies in the stream of a matrix of `blocks` blocks a tile.
constexpr long long packedIndex(long long row, int column, int blocks) {
  return ((row / tileRows * blocks + column / blockColumns) * 2 + row % tileRows / atomRows) * (atomBytes / 2) +
         atomIndex(int(row % atomRows), column % blockColumns);
}

/// The row of the packed matrix that holds output `i` of the gate, or of the up projection. A tile is 8 rows of one and
/// the same 8 of the other, so that both halves of a SwiGLU end up in one tile, and in one thread of an mma.
constexpr long long gateUpRow(long long i, bool up) { return i / 8 * tileRows + (up ? 8 : 0) + i % 8; }

/// Tokens in a block of the KV cache.
inline constexpr int kvBlockTokens = 64;

/// Bytes of the keys, or of the values, of one head in a block.
constexpr int kvHeadBytes(int headDim) { return kvBlockTokens * headDim * 2; }
/// Bytes of a block, one layer.
constexpr long long kvBlockBytes(int kvHeads, int headDim) { return 2ll * kvHeads * kvHeadBytes(headDim); }

/// Where, in elements, a key (or value) lies in its layer's pool. `slot`: block * kvBlockTokens + token in the block.
constexpr long long kvIndex(int slot, int head, bool value, int column, int kvHeads, int headDim) {
  int token = slot % kvBlockTokens;
  long long headBase = (long long)(slot / kvBlockTokens) * kvHeads + head;
  return (headBase * 2 + value) * (kvHeadBytes(headDim) / 2) +
         (column / atomColumns * (kvBlockTokens / atomRows) + token / atomRows) * (atomBytes / 2) +
         atomIndex(token % atomRows, column % atomColumns);
}

} // namespace sinter::cuda
