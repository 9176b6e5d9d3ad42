// SPDX-License-Identifier: Apache-2.0
// What the matmul of 17 rows and more is specialised for on sm_90a, and how its work is cut: all at compile time.
#pragma once
#include "templates/cuda/matvec_config.h"
#include "templates/cuda/rows.h"

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
  MatvecEpilogue epilogue = MatvecEpilogue::None;
  MatvecOut out = MatvecOut::Bf16;
  bool bias = false; ///< for SwiGlu: one of the gate's, one of the up projection's
  Rows rows = Rows::Tokens;
  int sms = 132; ///< multiprocessors of the chip, all of which run a block at once

  // How it runs. tuned() fills what is 0.
  int tileTokens = 0;         ///< rows of x of a tile: 32, 64, 128 or 256
  int multicast = 0;          ///< CTAs, one cluster, that have neighbouring weight rows and share activations: 1, 2
  int stages = 0;             ///< of the ring, each 64 columns of a tile
  int splitWaves = 0;         ///< share tiles by columns where the SMs have no more than this many whole tiles each
  bool triggerAtEntry = true; ///< let the next kernel start at once; else when the last copy is ordered

  static constexpr int tileWeights = 128; ///< rows of the weight in a tile: 64 for each of two warpgroups
  static constexpr int consumers = 256;   ///< threads that multiply
  static constexpr int unitTokens = 32;   ///< rows of y that a warpgroup stages at once
  static constexpr int shareBlocks = 4;   ///< blocks, at least, of a CTA's share of columns

  constexpr bool pair() const { return epilogue == MatvecEpilogue::SwiGlu; }
  constexpr int packedRows() const { return pair() ? ceilDiv(n, 8) * tileRows : ceilDiv(n, tileRows) * tileRows; }
  constexpr int blocks() const { return blocksOf(k); }
  constexpr int rowTiles() const { return ceilDiv(packedRows(), tileWeights * multicast); } ///< of a cluster
  constexpr int maxTiles() const { return rowTiles() * ceilDiv(tokens, tileTokens); }
  /// Clusters. No more than have something to do.
  constexpr int workers() const {
    long long shares = (long long)maxTiles() * blocks() / shareBlocks;
    int most = sms / multicast;
    return shares < 1 ? 1 : shares < most ? int(shares) : most;
  }
  /// Share boundaries this close to a tile's end move there: less work than the exchange of a sum.
  constexpr int snapBlocks() const { return tileTokens / 64; }

  constexpr int outRows() const { return pair() ? 32 : 64; } ///< columns of y of a warpgroup
  constexpr int weightBytes() const { return tileWeights * atomColumns * 2; }
  constexpr int activationBytes() const { return tileTokens * atomColumns * 2; }
  constexpr int stageBytes() const { return weightBytes() + activationBytes(); }
  constexpr int stagingBytes() const { return out == MatvecOut::F32 ? 0 : 2 * unitTokens * outRows() * 2; }
  constexpr int stagingAt() const { return stages * stageBytes(); }
  constexpr int barriersAt() const { return stagingAt() + 2 * stagingBytes(); }
  constexpr int partialFloats() const { return tileWeights * tileTokens; }

  /// Threads, of which one loads. Large tiles have a warpgroup of them, which hands its registers to the others.
  constexpr int loaders() const { return tileTokens == 256 ? 128 : 32; }
  constexpr int threads() const { return consumers + loaders(); }
  constexpr int blocksPerSm() const { return sharedBytes() <= sharedFor(2) && tokens <= tileTokens ? 2 : 1; }
  constexpr int grid() const { return workers() * multicast; }
  constexpr int cluster() const { return multicast; }
  constexpr int sharedBytes() const { return barriersAt() + 2 * stages * 8; }
  /// A CTA leaves at most two sums that are not whole.
  constexpr long long workspaceBytes() const { return splitWaves < 0 ? 0 : 2ll * grid() * partialFloats() * 4; }
  constexpr int counters() const { return splitWaves < 0 ? 0 : 2 * grid(); }

  constexpr bool valid() const {
    bool shape = n > 0 && n % 8 == 0 && k > 0 && k % 8 == 0 && tokens > 0 && sms > 0;
    bool tile = (tileTokens == 32 || tileTokens == 64 || tileTokens == 128 || tileTokens == 256) &&
                (multicast == 1 || multicast == 2) && stages >= 2;
    return shape && tile && sharedBytes() <= sharedPerCta;
  }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("n", n);
    v("k", k);
    v("tokens", tokens);
    v("epilogue", epilogue);
    v("out", out);
    v("bias", bias);
    v("rows", rows);
    v("sms", sms);
    v("tileTokens", tileTokens);
    v("multicast", multicast);
    v("stages", stages);
    v("splitWaves", splitWaves);
    v("triggerAtEntry", triggerAtEntry);
  }
};

/// How the packed weight is to be seen: [tile of 16 rows][block][16 rows][64].
constexpr MatmulTensorMap weightMap(const MatmulConfig &c) {
  unsigned long long tiles = c.packedRows() / tileRows, blocks = c.blocks();
  return {4,
          {atomColumns, tileRows, blocks, tiles},
          {atomColumns * 2, blockBytes, blockBytes * blocks},
          {atomColumns, tileRows, 1, MatmulConfig::tileWeights / tileRows},
          false};
}

/// How x is to be seen, in a buffer of `maxRows` rows.
constexpr MatmulTensorMap activationMap(const MatmulConfig &c, int maxRows) {
  return {2,
          {(unsigned long long)c.k, (unsigned long long)maxRows},
          {(unsigned long long)c.k * 2},
          {atomColumns, unsigned(c.tileTokens / c.multicast)},
          true};
}

/// Fills in how a configuration runs on a chip of `sms` multiprocessors. Up to 128 tokens leave room for the next
/// kernel on the same SM, whose copies start while this one ends.
constexpr MatmulConfig tuned(MatmulConfig c, int sms = 132) {
  c.sms = sms;
  if (!c.tileTokens)
    c.tileTokens = c.tokens <= 32 ? 32 : c.tokens <= 64 ? 64 : c.tokens <= 128 ? 128 : 256;
  if (!c.multicast)
    c.multicast = c.tileTokens == 256 && c.packedRows() > MatmulConfig::tileWeights ? 2 : 1;
  if (!c.splitWaves)
    c.splitWaves = 4;
  int room = c.tileTokens <= 128 ? sharedFor(2) : sharedPerCta;
  if (!c.stages)
    for (c.stages = 8; c.stages > 2 && c.sharedBytes() > room;)
      --c.stages;
  return c;
}

} // namespace sinter::cuda
