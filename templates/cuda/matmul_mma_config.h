// SPDX-License-Identifier: Apache-2.0
// What the portable matmul is specialised for, and how its work is cut: all at compile time. Plain C++20.
#pragma once
#include "templates/cuda/chip.h"
#include "templates/cuda/epilogue_config.h"
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// y[t, i] = epilogue(sum_k x[t, k] * w[i, k] + bias[i]), x bfloat16, w packed as layout.h says, sums in float32.
/// With norm, x stands for x * rsqrt(mean(x^2) + eps): the factor, one a token, is applied to the sums. The weight of
/// an RMSNorm is folded into w, or with normWeight applied to x on load, with one rounding to bfloat16.
struct MatmulMmaConfig {
  int n = 0;      ///< columns of y; a multiple of 8 where y is bfloat16
  int k = 0;      ///< columns of x, a multiple of 8
  int tokens = 1; ///< rows of x and y at most
  Epilogue epilogue = Epilogue::None;
  Out out = Out::Bf16;
  bool norm = false;
  bool normWeight = false;
  float eps = 1e-6f;
  bool bias = false;        ///< of gate and of up with SwiGlu
  int sms = 132;            ///< multiprocessors of the chip
  int sharedLimit = 101376; ///< bytes of shared memory that a block may have

  // How it runs: tuned() fills it in. A block's tile is warpRows * rowTiles * 16 rows of the weight by warpTokens *
  // tokenTiles * 8 tokens; warpSplits warps share the columns of a stage, and add up their sums at the tile's end.
  int warpRows = 0, warpTokens = 0, warpSplits = 0;
  int rowTiles = 0, tokenTiles = 0; ///< of a warp
  int stageBlocks = 0;              ///< blocks of columns of a stage
  int stages = 0;                   ///< of the ring
  int perSm = 0;                    ///< blocks on a multiprocessor

  constexpr bool gated() const { return epilogue == Epilogue::SwiGlu; }
  constexpr int warps() const { return warpRows * warpTokens * warpSplits; }
  constexpr int tileRowTiles() const { return warpRows * rowTiles; } ///< tiles of 16 rows, of a block's tile
  constexpr int tileTokens() const { return warpTokens * tokenTiles * 8; }
  constexpr int blocks() const { return blocksOf(k); }
  constexpr int steps() const { return ceilDiv(blocks(), stageBlocks); }
  constexpr int weightRowTiles() const { return ceilDiv(n, gated() ? 8 : tileRows); }
  constexpr int weightTiles() const { return ceilDiv(weightRowTiles(), tileRowTiles()); }
  constexpr int mostTokenTiles() const { return ceilDiv(tokens, tileTokens()); }
  constexpr int mostTiles() const { return weightTiles() * mostTokenTiles(); }

  // Shared memory, in bytes: stages, each weights, activations and weight of the norm; sums of warps; sums of squares.
  constexpr int stageWeights() const { return tileRowTiles() * stageBlocks * blockBytes; }
  constexpr int stageActivations() const { return tileTokens() * stageBlocks * blockColumns * 2; }
  constexpr int stageNorm() const { return normWeight ? stageBlocks * blockColumns * 4 : 0; }
  constexpr int stageBytes() const { return stageWeights() + stageActivations() + stageNorm(); }
  constexpr int warpSums() const { return rowTiles * tokenTiles * 4 * 32; } ///< floats
  constexpr int partialsAt() const { return stages * stageBytes(); }
  constexpr int squaresAt() const { return partialsAt() + (warpSplits - 1) * warpRows * warpTokens * warpSums() * 4; }

  constexpr bool valid() const {
    bool shape = n > 0 && k > 0 && k % 8 == 0 && tokens > 0 && sms > 0 && (out == Out::F32 || n % 8 == 0);
    bool residual = epilogue != Epilogue::Residual || out == Out::Bf16;
    bool cut = warps() >= 1 && warps() <= 16 && rowTiles > 0 && tokenTiles > 0 &&
               (tokenTiles == 1 || tokenTiles % 2 == 0) && stageBlocks > 0 && stageBlocks % warpSplits == 0;
    return shape && residual && cut && norm >= normWeight && stages >= 2 && perSm >= 1 && sharedBytes() <= sharedLimit;
  }
  constexpr int threads() const { return warps() * 32; }
  constexpr int blocksPerSm() const { return perSm; }
  constexpr int grid() const { return mostTiles() < sms * perSm ? mostTiles() : sms * perSm; }
  constexpr int cluster() const { return 1; }
  constexpr int sharedBytes() const { return squaresAt() + (norm ? warpSplits * tileTokens() * 4 : 0); }
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
    v("normWeight", normWeight);
    v("eps", eps);
    v("bias", bias);
    v("sms", sms);
    v("sharedLimit", sharedLimit);
    v("warpRows", warpRows);
    v("warpTokens", warpTokens);
    v("warpSplits", warpSplits);
    v("rowTiles", rowTiles);
    v("tokenTiles", tokenTiles);
    v("stageBlocks", stageBlocks);
    v("stages", stages);
    v("perSm", perSm);
  }
};

/// Ways to cut a tile, for few tokens and for many. With few, the weights are all that is read: a tile is narrow, so
/// that every multiprocessor has one, and its columns are shared among the warps.
struct MatmulMmaShape {
  int warpRows, warpTokens, warpSplits, rowTiles, tokenTiles, stageBlocks;
};
inline constexpr MatmulMmaShape matmulMmaShapes[] = {
    {1, 1, 8, 1, 1, 8}, // 16 rows x 8 tokens
    {2, 1, 4, 1, 1, 4}, // 32 x 8
    {1, 1, 8, 1, 2, 8}, // 16 x 16
    {2, 1, 4, 1, 2, 4}, // 32 x 16
    {2, 1, 4, 1, 4, 4}, // 32 x 32
    {4, 1, 2, 1, 4, 2}, // 64 x 32
    {2, 2, 2, 2, 4, 2}, // 64 x 64
    {2, 4, 1, 2, 4, 1}, // 64 x 128
    {4, 2, 1, 2, 4, 1}, // 128 x 64
    {2, 2, 1, 4, 8, 1}, // 128 x 128
};

/// Clocks that the busiest multiprocessor takes, roughly. Fitted to an H200: 1024 products a clock, slowed down by what
/// shared memory moves; 36 bytes a clock from L2, 24 of weights that are read once; 700 that a stage waits when nothing
/// else runs meanwhile, 500 at a tile's ends.
constexpr long long matmulMmaClocks(const MatmulMmaConfig &c) {
  long long rows = c.tileRowTiles() * 16, tokens = c.tileTokens();
  long long fragments = c.warpRows * c.warpTokens * 4 * (c.rowTiles * 512 + c.tokenTiles * 256); // bytes
  long long products = rows * tokens / 16 + (fragments + (rows + tokens) * 128) * 11 / 2560;
  long long loads = rows * 128 / (c.mostTokenTiles() == 1 ? 24 : 36) + tokens * 128 / 36;
  long long work = (products > loads ? products : loads) * c.stageBlocks, clocks = 0;
  for (int left = c.mostTiles(), room = c.sms * c.perSm; left > 0; left -= room) {
    long long together = ceilDiv(left < room ? left : room, c.sms);
    clocks += c.steps() * (together > 1 && (together - 1) * work > 700 ? together * work : work + 700) + 500;
  }
  return clocks;
}

/// The ring and the blocks on a multiprocessor: two blocks where three stages fit twice, since one computes while the
/// other waits.
constexpr MatmulMmaConfig withStages(MatmulMmaConfig c) {
  for (c.perSm = 2; c.perSm >= 1; --c.perSm)
    for (c.stages = 4; c.stages >= (c.perSm == 2 ? 3 : 2); --c.stages)
      if (c.perSm * (c.sharedBytes() + sharedReserved) <= c.sharedLimit + sharedReserved)
        return c;
  return c;
}

/// Fills in how a configuration runs; not valid() when nothing fits.
constexpr MatmulMmaConfig tuned(MatmulMmaConfig c) {
  MatmulMmaConfig best{};
  for (const MatmulMmaShape &s : matmulMmaShapes) {
    MatmulMmaConfig t = c;
    t.warpRows = s.warpRows, t.warpTokens = s.warpTokens, t.warpSplits = s.warpSplits;
    t.rowTiles = s.rowTiles, t.tokenTiles = s.tokenTiles, t.stageBlocks = s.stageBlocks;
    t = withStages(t);
    bool wide = t.tileTokens() > 8 && t.tileTokens() >= 2 * c.tokens; // more than half of it would be padding
    if (t.valid() && !wide && (!best.valid() || matmulMmaClocks(t) < matmulMmaClocks(best)))
      best = t;
  }
  return best;
}

} // namespace sinter::cuda
