// SPDX-License-Identifier: Apache-2.0
// The order in which the weights of a matvec lie in memory. Shared by the device code and by the packer on the host.
//
// A weight [n, k] is cut into tiles of 16 rows, a tile into blocks of 32 columns. The stream is
//   [tile][block][fragment: 2][lane: 32][8 x bf16]
// so a tile is contiguous, every range of blocks of a tile is one bulk copy, and 16 bytes a lane are the four registers
// of the A operand of mma.m16n8k16 as they are needed: no ldmatrix, no shuffles.
//
// The order of k inside an mma is free as long as both operands agree. Lane (g, j) = (lane / 4, lane % 4) holds rows g
// and g + 8 of columns 8 j + 4 f .. + 3 for fragment f: over both fragments 8 neighbouring columns. The B operand of a
// lane is then 16 contiguous bytes of the token's row, so activations need no packing at all.
#pragma once

namespace sinter::cuda {

inline constexpr int tileRows = 16; ///< rows of the weight in a tile
inline constexpr int blockColumns = 32;
inline constexpr int blockBytes = tileRows * blockColumns * 2;
inline constexpr int fragmentBytes = blockBytes / 2;

constexpr int ceilDiv(int a, int b) { return (a + b - 1) / b; }

/// Blocks of one tile; columns past k are packed as zeros.
constexpr int blocksOf(int k) { return ceilDiv(k, blockColumns); }

/// Where, in elements, the weight at (row, column) lies in the stream of a matrix of `blocks` blocks a tile.
constexpr long long packedIndex(long long row, int column, int blocks) {
  int r = int(row % tileRows), c = column % blockColumns;
  int lane = (r % 8) * 4 + c / 8, fragment = c % 8 / 4;
  int reg = c % 4 / 2 * 2 + r / 8;
  return (row / tileRows * blocks + column / blockColumns) * (blockBytes / 2) + fragment * (fragmentBytes / 2) +
         lane * 8 + reg * 2 + c % 2;
}

/// The row of the packed matrix that holds output `i` of the gate, or of the up projection. A tile is 8 rows of one and
/// the same 8 of the other, so that both halves of a SwiGLU end up in one tile.
constexpr long long gateUpRow(long long i, bool up) { return i / 8 * tileRows + (up ? 8 : 0) + i % 8; }

} // namespace sinter::cuda
