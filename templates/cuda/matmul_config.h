// SPDX-License-Identifier: Apache-2.0
// What the matmul of 17 rows and more is specialised for on sm_90a, and how its work is cut. Plain C++20.
#pragma once
#include "templates/cuda/chip.h"
#include "templates/cuda/epilogue_config.h"
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// A CUtensorMap to be made at load, as runtime/abi/CudaPlan.h has it: bfloat16, dimension 0 contiguous.
struct MatmulTensorMap {
  int rank = 0;
  unsigned long long dims[5] = {};    ///< elements
  unsigned long long strides[4] = {}; ///< bytes, of dimensions 1 and on
  unsigned box[5] = {};               ///< elements
  bool swizzle128 = false;
};

/// y[t, i] = epilogue(sum_k x[t, k] * w[i, k] + bias[i]), x bfloat16, w packed by pack_weight.h, sums in float32.
/// Residual [rows, n] is bfloat16.
struct MatmulConfig {
  int n = 0;      ///< columns of y, a multiple of 8
  int k = 0;      ///< columns of x, a multiple of 8
  int tokens = 0; ///< rows at most
  Epilogue epilogue = Epilogue::None;
  Out out = Out::Bf16;
  bool norm = false;    ///< of x, whose squares are given; the norm's weight is in w
  bool squares = false; ///< leave the squares of y, which is bfloat16 and not of SwiGlu, for the matmul that norms it
  bool bias = false;    ///< for SwiGlu: one of the gate's, one of the up projection's
  float eps = 1e-6f;    ///< of the norm
  int sms = 132;        ///< multiprocessors of the chip, all of which run a block at once

  // How it runs. tuned() fills what is 0.
  int height = 0;              ///< of a tile, in 16 rows of the weight, for each band: 1 to 16
  int tileTokens = 0;          ///< rows of x of a tile: 32, 64, 96, 128, 160, 192 or 256, 176 where it is split
  int split = 0;               ///< CTAs, one cluster, that share the columns of a tile: 1 to 8
  int stages = 0;              ///< of the ring, each 64 columns of a tile
  int outstanding = 0;         ///< stages whose weights are on their way at once
  int fetched = 0;             ///< stages whose first activations the multiplying threads fetch; -1: none
  bool push = false;           ///< sums of a split tile are pushed to who finishes them; else these fetch them
  int bands = 1;               ///< 64 rows of the weight each, of a warpgroup in a tile: 1 or 2
  bool adaptive = false;       ///< tiles of 256, 192, 128 or 64 rows of x, or of 160 in two bands, as suits the step
  bool triggerAtEntry = false; ///< let the next kernel start at once; else when the last copy is ordered

  static constexpr int unitTokens = 32;  ///< rows of y that a warpgroup stages at once
  static constexpr int wideTokens = 160; ///< rows of x of a tile of two bands where tiles adapt
  static constexpr int pieceTokens = 16; ///< rows of y that a warpgroup of a split tile finishes at once

  /// A warpgroup multiplies 64 rows of the weight at a time; what the last one multiplies beyond the tile is left.
  constexpr int warpgroups() const { return ceilDiv(height, 4); }
  constexpr int consumers() const { return warpgroups() * 128; } ///< threads that multiply
  constexpr bool gated() const { return epilogue == Epilogue::SwiGlu; }
  constexpr int packedRows() const { return gated() ? ceilDiv(n, 8) * tileRows : ceilDiv(n, tileRows) * tileRows; }
  constexpr int blocks() const { return blocksOf(k); }
  constexpr int tileWeights(int bandsOfTile) const { return tileRows * height * bandsOfTile; }
  constexpr int rowTiles(int bandsOfTile) const { return ceilDiv(packedRows(), tileWeights(bandsOfTile)); }
  constexpr int maxTiles() const { return rowTiles(bands) * ceilDiv(tokens, tileTokens); }
  /// Clusters. Where a tile is split, one for each.
  constexpr int workers() const {
    int most = sms * blocksPerSm();
    return split > 1 ? maxTiles() : adaptive ? most : maxTiles() < most ? maxTiles() : most;
  }

  constexpr int outRows() const { return gated() ? 32 : 64; } ///< columns of y of a warpgroup
  constexpr int weightBytes(int bandsOfTile) const { return tileWeights(bandsOfTile) * atomColumns * 2; }
  constexpr int stageBytes() const {
    int rows = tileWeights(bands) + tileTokens, wideRows = adaptive ? tileWeights(2) + wideTokens : 0;
    return (rows > wideRows ? rows : wideRows) * atomColumns * 2;
  }
  /// Stages, and what the last warpgroup reads beyond the last one.
  constexpr int ringBytes() const {
    int beyond = warpgroups() * 64 * bands * atomColumns * 2 - stageBytes();
    return stages * stageBytes() + (beyond > 0 ? beyond : 0);
  }
  /// Rows of x that one copy brings.
  constexpr int boxTokens() const { return adaptive ? 64 : tileTokens; }
  /// The weights that one copy brings: tiles of 16 rows.
  constexpr int boxRows() const { return tileRows; }
  constexpr int boxTiles() const { return height; }
  /// A warpgroup's part of memory to turn y around in.
  constexpr int stagingBytes() const {
    return out == Out::F32 ? 0 : (split > 1 ? ownPieces() * pieceTokens : 2 * unitTokens) * outRows() * 2;
  }
  constexpr int stagingAt() const { return ringBytes(); }
  constexpr int barriersAt() const { return stagingAt() + warpgroups() * stagingBytes(); }
  /// The sums of a tile, which take the place of the ring when it is split.
  constexpr int sumBytes() const { return warpgroups() * 64 * bands * tileTokens * 4; }
  /// Pieces, of 64 rows of the weight and pieceTokens tokens, that a warpgroup of a split tile finishes.
  constexpr int ownPieces() const { return ceilDiv(bands * tileTokens / pieceTokens, split); }

  /// Bytes that CTAs push into a ring of their cluster: [warpgroup][its piece][from][8 tokens][thread][4] floats.
  static constexpr int pieceBytes = 64 * pieceTokens * 4;
  constexpr int pushBytes() const { return warpgroups() * ownPieces() * split * pieceBytes; }
  constexpr int pushStages() const { return ceilDiv(pushBytes(), stageBytes()); }
  /// The last of a CTA's `count` blocks that lies in the stages from `first` on that are pushed to.
  constexpr int lastBlockIn(int first, int count) const {
    int last = -1;
    for (int stage = first; stage < first + pushStages(); ++stage)
      if (int block = stage < count ? count - 1 - (count - 1 - stage) % stages : -1; block > last)
        last = block;
    return last;
  }
  /// The stages that are pushed to: those that the CTA with the least left after them is done with the soonest.
  constexpr int pushStage() const {
    int less = blocks() / split, more = ceilDiv(blocks(), split), best = 0, most = -1;
    for (int first = 0; first + pushStages() <= stages; ++first) {
      int a = less - lastBlockIn(first, less), b = more - lastBlockIn(first, more), left = a < b ? a : b;
      if (left > most) {
        most = left;
        best = first;
      }
    }
    return best;
  }

  constexpr int fetchedStages() const {
    int least = blocks() / split;
    return fetched < 0 ? 0 : fetched < least ? fetched : least;
  }

  constexpr bool valid() const {
    bool shape = n > 0 && n % 8 == 0 && k > 0 && k % 8 == 0 && tokens > 0 && sms > 0;
    bool tile = tileTokens == 32 || tileTokens == 64 || tileTokens == 96 || tileTokens == 128 || tileTokens == 160 ||
                tileTokens == 192 || tileTokens == 256 || (tileTokens == 176 && split > 1);
    bool band = bands == 1 || (bands == 2 && tileTokens <= 160 && !adaptive);
    bool square = !squares || (out == Out::Bf16 && !gated() && !norm && height % 4 == 0);
    bool high = height >= 1 && height <= 16 && (height == 8 || (bands == 1 && !adaptive && !large()));
    bool sum =
        split == 1 || (split >= 2 && split <= 8 && split <= blocks() && ownPieces() <= 8 && sumBytes() <= ringBytes());
    bool first = fetched <= 0 || (fetched <= stages && !adaptive && !large() && k % atomColumns == 0);
    bool pushed = !push || (split > 1 && pushStages() <= stages);
    return shape && tile && high && first && pushed && band && square && sum &&
           (!adaptive || (split == 1 && tileTokens == 256)) && stages >= 2 && outstanding >= 1 &&
           sharedBytes() <= sharedPerBlock;
  }
  /// Threads beside those that multiply: one loads, and a warp gets a norm's factors. Large tiles have a warpgroup of
  /// them, which hands its registers to the others, and three warps for factors.
  constexpr bool large() const { return tileTokens * bands > 128; }
  constexpr int loaders() const { return large() ? 128 : norm ? 64 : 32; }
  constexpr int factorWarps() const { return large() ? 3 : 1; }
  constexpr int threads() const { return consumers() + loaders(); }
  constexpr int blocksPerSm() const { return sharedBytes() <= sharedFor(2) && !large() ? 2 : 1; }
  constexpr int grid() const { return workers() * split; }
  constexpr int cluster() const { return split; }
  constexpr int factorsAt() const {
    return ceilDiv(barriersAt() + (3 * stages + (push ? warpgroups() : 0)) * 8, 16) * 16;
  }
  constexpr int sharedBytes() const { return factorsAt() + (norm ? tileTokens * 4 + 16 : 0); }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("n", n);
    v("k", k);
    v("tokens", tokens);
    v("epilogue", epilogue);
    v("out", out);
    v("norm", norm);
    v("squares", squares);
    v("bias", bias);
    v("eps", eps);
    v("sms", sms);
    v("height", height);
    v("tileTokens", tileTokens);
    v("split", split);
    v("stages", stages);
    v("outstanding", outstanding);
    v("fetched", fetched);
    v("push", push);
    v("bands", bands);
    v("adaptive", adaptive);
    v("triggerAtEntry", triggerAtEntry);
  }
};

/// How the packed weight is to be seen: [tile of 16 rows][block][16 rows][64]. `c` is of this or of a kernel like it.
template <typename Config>
constexpr MatmulTensorMap weightMap(const Config &c) {
  unsigned long long tiles = c.packedRows() / tileRows, blocks = c.blocks();
  return {4,
          {atomColumns, tileRows, blocks, tiles},
          {atomColumns * 2, blockBytes, blockBytes * blocks},
          {atomColumns, unsigned(c.boxRows()), 1, unsigned(c.boxTiles())},
          false};
}

/// How x is to be seen, in a buffer of `maxRows` rows.
template <typename Config>
constexpr MatmulTensorMap activationMap(const Config &c, int maxRows) {
  return {2,
          {(unsigned long long)c.k, (unsigned long long)maxRows},
          {(unsigned long long)c.k * 2},
          {atomColumns, unsigned(c.boxTokens())},
          true};
}

/// CTAs, one cluster, that share each of `tiles` tiles: as many as let all of them run at once, a CTA an SM, while each
/// has some columns. Clusters of odd size leave SMs idle; five is as far as that was seen to pay.
constexpr int splitFor(const MatmulConfig &c, int tiles, int sms) {
  constexpr int sizes[] = {8, 6, 5, 4, 2};
  for (int split : sizes)
    if (tiles <= clustersOf(split, sms) && split * 4 <= c.blocks() && c.tileTokens <= 128 * split)
      return split;
  return 1;
}

/// Chooses tiles. Every SM should have as much to do: many tiles are cut to fit, few are split, though sums that are
/// exchanged cost the more the more tokens there are. Below 128 tokens the weights are the bound, and rings are deep.
/// Buckets of three quarters of a power of two have tiles of 96 or 192 rows, which divide them.
constexpr void chooseTile(MatmulConfig &c, int sms) {
  if (c.tokens <= 128) {
    c.tileTokens = c.tokens <= 32 ? 32 : c.tokens <= 64 ? 64 : c.tokens <= 96 ? 96 : 128;
    return;
  }
  bool between = c.tokens <= 192 || (c.tokens > 256 && c.tokens <= 384);
  int rows = c.rowTiles(1), half = sms / 2;
  int size = (c.tokens <= 256 ? 128 : 256) * (between ? 3 : 4) / 4, tiles = rows * ceilDiv(c.tokens, size);
  if (c.tokens > 512 || tiles > sms) {
    c.adaptive = !between;
    c.tileTokens = between ? 192 : 256;
  } else if (tiles > half) {
    c.tileTokens = size;
  } else if (c.tokens <= 256) {
    c.tileTokens = c.blocks() >= 100 ? 2 * size : size;
  } else {
    // The smallest of which two CTAs can share each; 176 is three for 512, but has to be shared.
    for (int smallest : {256, 192, 176, 128})
      if (rows * ceilDiv(c.tokens, smallest) <= half && (smallest != 176 || c.blocks() >= 8))
        c.tileTokens = smallest;
  }
}

/// The height of tiles that nobody shares: that of which the busiest SM has the fewest rows of the weight, since two
/// tiles on one SM take twice as long as one, and of equal ones the largest, which fetch x the least often. Squares are
/// of 64 columns, so of whole products.
constexpr int evenHeight(const MatmulConfig &c, int sms) {
  int all = c.packedRows() / tileRows, best = 8, fewest = 0;
  for (int height = 4; height <= 16; height += c.squares ? 4 : 1)
    if (int most = ceilDiv(ceilDiv(all, height), sms) * height; !fewest || most <= fewest) {
      fewest = most;
      best = height;
    }
  return best;
}

/// The height and the split of tiles that bring all of x. Nobody shares them where that keeps most SMs busy; else a CTA
/// should have as little to fetch as can be.
constexpr void chooseHeight(MatmulConfig &c, int sms) {
  int all = c.packedRows() / tileRows, even = evenHeight(c, sms), rounds = ceilDiv(ceilDiv(all, even), sms), least = 0;
  if (c.split == 1 || (!c.split && 10 * all >= 7 * even * rounds * sms)) {
    c.height = all >= 2 * sms ? even : 8;
    c.split = 1;
    return;
  }
  constexpr int heights[] = {8, 12, 4};
  for (int height : heights) {
    MatmulConfig t = c;
    t.height = height;
    if (!t.split)
      t.split = splitFor(t, t.rowTiles(1), sms);
    if (int cost = ceilDiv(ceilDiv(t.rowTiles(1), clustersOf(t.split, sms)) * t.blocks(), t.split) *
                   (t.tileWeights(1) + t.tileTokens);
        !least || cost < least) {
      least = cost;
      c.height = height;
    }
  }
}

/// Fills in how a configuration runs on a chip of `sms` multiprocessors.
constexpr MatmulConfig tuned(MatmulConfig c, int sms = 132) {
  c.sms = sms;
  bool low = !c.height;
  if (low)
    c.height = 8;
  if (!c.tileTokens)
    chooseTile(c, sms);
  low = low && c.tokens <= c.tileTokens && c.tileTokens <= 128 && c.bands == 1;
  if (low)
    chooseHeight(c, sms);
  int tiles = c.maxTiles();
  if (!c.split)
    c.split = c.adaptive ? 1 : splitFor(c, tiles, sms);
  c.push = c.push || (c.split > 1 && c.tokens <= 128);
  if (!c.stages)
    for (c.stages = 24; c.stages > 2 && c.sharedBytes() > sharedPerBlock;)
      --c.stages;
  // Where weights are the bound, SMs that had all of a deep ring on its way would leave less to others.
  if (!c.outstanding && c.tokens <= 128 && tiles <= sms)
    c.outstanding = (96 << 10) / c.weightBytes(1);
  if (!c.outstanding || c.outstanding > c.stages)
    c.outstanding = c.stages;
  if (!c.fetched && c.tokens <= 32 && c.k % atomColumns == 0)
    c.fetched = c.stages < 4 ? c.stages : 4;
  // SMs that few tiles leave idle start to fetch the next weights.
  c.triggerAtEntry = c.triggerAtEntry || c.tokens <= 64;
  return c;
}

} // namespace sinter::cuda
