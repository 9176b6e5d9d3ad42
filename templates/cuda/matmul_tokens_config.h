// SPDX-License-Identifier: Apache-2.0
// What the matmul of some hundred rows is specialised for on sm_90a, and how its work is cut. Plain C++20.
#pragma once
#include "templates/cuda/matmul_config.h"

namespace sinter::cuda {

/// y as of MatmulConfig, in bfloat16. Each CTA has one tile. Tiles of a cluster have the same rows of the weight, of
/// which each CTA brings a part to all.
struct MatmulTokensConfig {
  int n = 0;      ///< columns of y, a multiple of 8
  int k = 0;      ///< columns of x, a multiple of 8
  int tokens = 0; ///< rows at most
  Epilogue epilogue = Epilogue::None;
  bool norm = false;    ///< of x, whose squares are given; the norm's weight is in w
  bool squares = false; ///< leave the squares of y, which is not of SwiGlu, for the matmul that norms it
  bool bias = false;    ///< for SwiGlu: one of the gate's, one of the up projection's
  float eps = 1e-6f;    ///< of the norm
  int sms = 132;        ///< multiprocessors of the chip, all of which run a block at once

  // How it runs: tokensFor().
  int tileWeights = 0; ///< rows of the weight in a tile: a multiple of 16 to 256
  int tileTokens = 0;  ///< rows of x in a tile: 128, 256, or 64 whose columns two warpgroups share
  int share = 1;       ///< CTAs of a cluster: 1, 2 or 4
  int stages = 0;      ///< of the ring, each 64 columns of a tile

  static constexpr int consumers = 256; ///< threads that multiply

  constexpr bool gated() const { return epilogue == Epilogue::SwiGlu; }
  constexpr int packedRows() const { return gated() ? ceilDiv(n, 8) * tileRows : ceilDiv(n, tileRows) * tileRows; }
  constexpr int blocks() const { return blocksOf(k); }
  constexpr int rowTiles() const { return ceilDiv(packedRows(), tileWeights); }
  constexpr int tokenTiles() const { return ceilDiv(tokens, tileTokens); }
  constexpr int tokenClusters() const { return ceilDiv(tokenTiles(), share); }
  constexpr int weightBytes() const { return tileWeights * atomColumns * 2; }
  constexpr int activationBytes() const { return tileTokens * atomColumns * 2; }
  constexpr int stageBytes() const { return weightBytes() + activationBytes(); }
  constexpr int barriersAt() const { return stages * stageBytes(); }

  /// Warpgroups have the same rows of x, half of the columns of each block, and exchange their sums.
  constexpr bool halves() const { return tileTokens == 64; }
  /// 64 rows of x each, of a warpgroup.
  constexpr int bands() const { return tileTokens == 256 ? 2 : 1; }
  /// Whether sums need more registers than all threads have: those that do not multiply are a warpgroup then, which
  /// hands over most of its own.
  constexpr bool large() const { return bands() * tileWeights > 192; }

  /// Rows of x that one copy brings.
  constexpr int boxTokens() const { return tokens % tileTokens ? 64 : tileTokens; }
  /// The part of the weights that one CTA brings: tiles of 16 rows, or the first or last 8 of each.
  constexpr int boxRows() const { return tileWeights / tileRows % share ? atomRows : tileRows; }
  constexpr int boxTiles() const { return tileWeights / boxRows() / share; }
  /// Where the `last` or first eight rows of a tile of 16 lie in shared memory, in eights.
  constexpr int groupOf(int tile, bool last) const {
    return boxRows() == tileRows ? tile * 2 + last : (tile / boxTiles() * 2 + last) * boxTiles() + tile % boxTiles();
  }
  /// The inverse: the first of eight rows of the weight, in their tile.
  constexpr int rowOf(int group) const {
    if (boxRows() == tileRows)
      return group * atomRows;
    int part = group / boxTiles();
    return (part / 2 * boxTiles() + group % boxTiles()) * tileRows + part % 2 * atomRows;
  }

  /// Numbers that the squares of a row of y are left in: those of a tile are in one, and what is too many is 0.
  constexpr int squareBlocks() const { return ceilDiv(n, 64); }
  /// Rows of the weight whose sums a warp finishes, what pieces of 8 columns of y they make, and the memory where it
  /// turns 16 rows of them around.
  constexpr int ownRows() const { return halves() ? tileWeights / 2 : tileWeights; }
  constexpr int pieces() const { return ownRows() / (gated() ? 16 : 8); }
  constexpr int stagedRow() const { return (pieces() | 1) * 16; }
  constexpr int stagingBytes() const { return 16 * stagedRow(); }
  constexpr int stagingAt() const { return halves() ? tileWeights * 64 * 4 : 0; }
  /// Where one warpgroup passes the squares of its rows to the other.
  constexpr int passedAt() const { return stagingAt() + consumers / 32 * stagingBytes(); }

  constexpr bool valid() const {
    bool shape = n > 0 && n % 8 == 0 && k > 0 && k % 8 == 0 && tokens > 0 && sms > 0;
    bool rows = tileWeights >= 16 && tileWeights <= (tileTokens == 256 ? 192 : 256) && tileWeights % 16 == 0;
    bool tile = tileTokens == 64 || tileTokens == 128 || tileTokens == 256;
    bool parts = (share == 1 || share == 2 || share == 4) && boxTiles() * boxRows() * share == tileWeights;
    bool pairs = !gated() || !halves() || (boxRows() == tileRows && tileWeights % 32 == 0);
    bool square = !squares || (!gated() && !norm && rowTiles() <= squareBlocks());
    return shape && rows && tile && parts && pairs && square && stages >= 2 && sharedBytes() <= sharedPerBlock &&
           passedAt() + tileTokens * 4 <= barriersAt();
  }
  /// Threads beside those that multiply: one loads, and 32 get a norm's factors.
  constexpr int threads() const { return consumers + (large() ? 128 : norm ? 64 : 32); }
  constexpr int blocksPerSm() const { return 1; }
  constexpr int cluster() const { return share; }
  constexpr int grid() const { return rowTiles() * tokenClusters() * share; }
  /// Where the squares of the rows of x lie, and their factors.
  constexpr int squaresAt() const { return ceilDiv(barriersAt() + (2 * stages + 2) * 8, 128) * 128; }
  constexpr int factorsAt() const { return squaresAt() + (norm ? tileTokens * blocks() * 4 : 0); }
  constexpr int sharedBytes() const { return factorsAt() + (norm ? tileTokens * 4 : 0); }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("n", n);
    v("k", k);
    v("tokens", tokens);
    v("epilogue", epilogue);
    v("norm", norm);
    v("squares", squares);
    v("bias", bias);
    v("eps", eps);
    v("sms", sms);
    v("tileWeights", tileWeights);
    v("tileTokens", tileTokens);
    v("share", share);
    v("stages", stages);
  }
};

/// `c` for tiles of `tileTokens` rows of x in clusters of `share`, all of which run at once; tileWeights is 0 where
/// there are none of a size that wgmma has.
constexpr MatmulTokensConfig sharedBy(MatmulTokensConfig c, int tileTokens, int share) {
  constexpr int sizes[] = {256, 192, 160, 128, 96, 80, 64};
  c.tileTokens = tileTokens;
  c.share = share;
  c.tileWeights = 0;
  int tiles = clustersOf(share, c.sms) / c.tokenClusters(), most = tileTokens == 256 ? 192 : 256;
  for (int rows : sizes)
    if (tiles > 0 && rows <= most && ceilDiv(c.packedRows(), rows) <= tiles && (share <= 2 || rows % 32 == 0))
      c.tileWeights = rows;
  return c;
}

/// How long a stage takes, in rows that a CTA brings: weights that several clusters bring cost some more.
constexpr int stageCost(const MatmulTokensConfig &c) {
  return c.tileWeights * (7 + 3 * c.tokenClusters()) / 10 + c.tileTokens;
}

/// The way to run `c`, for 129 to 512 rows, on a chip of `c.sms` multiprocessors; tileWeights is 0 where MatmulConfig
/// is to be taken: its tiles of 192 rows suit 384 better, and up to 256 rows long columns are worth sharing where that
/// fills the chip. SwiGLU's many rows of the weight make tiles of all of x, where shorter ones would need another
/// round.
constexpr MatmulTokensConfig tokensFor(const MatmulConfig &c) {
  MatmulTokensConfig plain{.n = c.n,
                           .k = c.k,
                           .tokens = c.tokens,
                           .epilogue = c.epilogue,
                           .norm = c.norm,
                           .squares = c.squares,
                           .bias = c.bias,
                           .eps = c.eps,
                           .sms = c.sms},
      best = plain;
  bool half = c.tokens > 128 && c.tokens <= 256, whole = c.tokens > 384 && c.tokens <= 512;
  bool suits = c.out == Out::Bf16 && (half || whole);
  if (c.gated())
    suits = suits && half && ceilDiv(c.packedRows(), 128) > c.sms;
  else if (half && c.blocks() >= 100)
    suits = suits && tuned(c, c.sms).grid() * 3 < c.sms * 2;
  if (!suits)
    return plain;
  constexpr int shared[][2] = {{128, 2}, {64, 4}, {64, 2}};
  auto consider = [&](int tileTokens, int share) {
    auto t = sharedBy(plain, tileTokens, share);
    bool full = !c.gated() || t.tileWeights == 0 || t.grid() * 4 >= c.sms * 3;
    if (t.tileWeights && full && (!best.tileWeights || stageCost(t) < stageCost(best)))
      best = t;
  };
  if (c.gated())
    consider(256, 1);
  else
    for (auto [tileTokens, share] : shared)
      consider(tileTokens, share);
  if (!best.tileWeights)
    return plain;
  for (best.stages = 16; best.stages > 2 && best.sharedBytes() > sharedPerBlock;)
    --best.stages;
  return best.valid() ? best : plain;
}

} // namespace sinter::cuda
