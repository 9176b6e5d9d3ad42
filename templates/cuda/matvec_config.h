// SPDX-License-Identifier: Apache-2.0
// What a weight-streaming matmul of 1 to 16 tokens is specialised for, and how its work is cut: all at compile time.
#pragma once
#include "templates/cuda/layout.h"

namespace sinter::cuda {

enum class MatvecEpilogue : unsigned char {
  None,
  Residual, ///< y += residual [tokens, n], of y's element type; y itself may be the residual
  SwiGlu,   ///< y = silu(gate) * up, the weight packed by packGateUp
};

enum class MatvecOut : unsigned char { Bf16, F32 };

/// y[t, i] = epilogue(sum_k x[t, k] * w[i, k]), x bfloat16, w packed by pack_weight.h, sums in float32.
/// With norm, x stands for x * rsqrt(mean(x^2) + eps) * normWeight: the weight is applied on load (one rounding to
/// bfloat16), the factor, one a token, to the sums.
struct MatvecConfig {
  int n = 0; ///< columns of y
  int k = 0; ///< columns of x, a multiple of 8
  int tokens = 1;
  MatvecEpilogue epilogue = MatvecEpilogue::None;
  MatvecOut out = MatvecOut::Bf16;
  bool norm = false;
  float eps = 1e-6f;

  // How it runs. tuned() fills what is 0.
  int split = 0;              ///< CTAs, one cluster, that share the columns of a tile: 1, 2, 4 or 8
  int clusters = 0;           ///< the grid is split * clusters; tiles are spread over clusters
  int chunkBlocks = 0;        ///< blocks, of 1 KiB, of the longest bulk copy
  int slots = 0;              ///< of the ring, chunkBlocks each
  int outstanding = 0;        ///< copies in flight
  int warps = 8;              ///< that consume
  bool triggerAtEntry = true; ///< let the next kernel start at once; else when the last copy is ordered

  constexpr int tileOutputs() const { return epilogue == MatvecEpilogue::SwiGlu ? 8 : tileRows; }
  constexpr int tiles() const { return ceilDiv(n, tileOutputs()); }
  constexpr int blocks() const { return blocksOf(k); }
  constexpr int consumers() const { return warps * 32; }
  constexpr int threads() const { return consumers() + 32; } ///< the last warp loads
  constexpr int grid() const { return split * clusters; }
  constexpr int outBytes() const { return out == MatvecOut::F32 ? 4 : 2; }
};

inline constexpr int sharedPerCta = 232448; ///< bytes, sm_90
inline constexpr int sharedPerSm = 233472;
inline constexpr int sharedReserved = 1024; ///< that every CTA costs besides its own

/// How a configuration is cut, and where things lie in shared memory (byte offsets).
struct MatvecPlan {
  int sliceBlocks;      ///< blocks of a tile, at most, that one CTA of the cluster has
  int chunksPerTile;    ///< copies a tile's slice takes
  int chunkBlocks;      ///< blocks of each of them, but the last
  int clusterTiles;     ///< tiles, at most, of a cluster
  int groupTiles;       ///< tiles whose slices are summed over the cluster at once
  int groupEntries;     ///< outputs of a group that one CTA finishes
  int threadEntries;    ///< of them, at most, a thread
  int tokenWarps;       ///< warps that load one token's activations
  int activationStride; ///< bytes from token to token
  int norm, activations, partials, peers, squares, peerSquares, barriers, bytes;
};

/// Floats from token to token in a warp's partial sums of a tile: 16, padded so that a warp's stores meet no bank
/// twice.
inline constexpr int partialStride = 20;

constexpr MatvecPlan planOf(const MatvecConfig &c) {
  MatvecPlan p{};
  p.sliceBlocks = ceilDiv(c.blocks(), c.split);
  p.chunksPerTile = ceilDiv(p.sliceBlocks, c.chunkBlocks);
  p.chunkBlocks = ceilDiv(p.sliceBlocks, p.chunksPerTile);
  p.clusterTiles = ceilDiv(c.tiles(), c.clusters);
  int entries = c.tokens * c.tileOutputs() / c.split;
  int most = 2 * c.consumers() / entries;
  p.groupTiles = c.split == 1 ? 1 : most < 1 ? 1 : most < p.clusterTiles ? most : p.clusterTiles;
  p.groupEntries = p.groupTiles * entries;
  p.threadEntries = ceilDiv(p.groupEntries, c.consumers());
  p.tokenWarps = c.warps;
  for (int t = 1; t < c.tokens && p.tokenWarps > 1; t *= 2)
    p.tokenWarps /= 2;
  // Rows of eight lanes lie half the banks apart.
  p.activationStride = ceilDiv(p.sliceBlocks * blockColumns * 2, 128) * 128 + 64;
  int at = c.slots * p.chunkBlocks * blockBytes;
  p.norm = at;
  at += c.norm ? p.sliceBlocks * blockColumns * 2 : 0;
  p.activations = at;
  at += c.tokens * p.activationStride;
  p.partials = at;
  at += 2 * c.warps * c.tokens * partialStride * 4;
  p.peers = at;
  at += c.split > 1 ? 2 * p.groupTiles * c.tokens * tileRows * 4 : 0;
  p.squares = at;
  at += c.tokens * p.tokenWarps * 4;
  p.peerSquares = at;
  at += c.split * c.tokens * 4;
  p.barriers = ceilDiv(at, 16) * 16;
  p.bytes = p.barriers + (2 * c.slots + 1) * 8;
  return p;
}

constexpr bool valid(const MatvecConfig &c) {
  bool split = c.split == 1 || c.split == 2 || c.split == 4 || c.split == 8;
  bool shape = c.n > 0 && c.k > 0 && c.k % 8 == 0 && c.tokens >= 1 && c.tokens <= 16;
  bool ring = c.chunkBlocks > 0 && c.outstanding > 0 && c.outstanding <= c.slots;
  bool team = (c.warps == 4 || c.warps == 8 || c.warps == 16) && c.clusters > 0 && c.clusters <= c.tiles();
  return split && shape && ring && team && c.blocks() >= c.split && planOf(c).bytes <= sharedPerCta;
}

/// Fills in how a configuration runs on a chip of `sms` multiprocessors.
///
/// Every cluster of `split` CTAs has whole tiles, so the chip is even when tiles / clusters is nearly whole: the first
/// split that keeps 95 % of it at work and whose activations leave room for a ring is taken, else the best. Rings are
/// as deep as lets two CTAs share an SM, since the next kernel's copies start while this one ends.
constexpr MatvecConfig tuned(MatvecConfig c, int sms = 132) {
  c.chunkBlocks = c.chunkBlocks ? c.chunkBlocks : 16;
  c.outstanding = c.outstanding ? c.outstanding : 3;
  bool anySlots = c.slots == 0, anySplit = c.split == 0;
  MatvecConfig best{};
  double bestShare = 0;
  for (int split = anySplit ? 1 : c.split; split <= (anySplit ? 8 : c.split); split *= 2) {
    MatvecConfig t = c;
    t.split = split;
    // Graphics clusters of 16 and 18 SMs hold clusters of four in sixteens only.
    int room = (split <= 2 ? sms : sms / 16 * 16) / split;
    if (!c.clusters)
      t.clusters = room < t.tiles() ? room : t.tiles();
    if (t.clusters > room || t.blocks() < split)
      continue;
    t.clusters = ceilDiv(t.tiles(), ceilDiv(t.tiles(), t.clusters));
    t.slots = anySlots ? 8 : c.slots;
    while (anySlots && t.slots > 4 && planOf(t).bytes > sharedPerSm / 2 - sharedReserved)
      --t.slots;
    t.outstanding = t.outstanding < t.slots ? t.outstanding : t.slots;
    if (!valid(t))
      continue;
    bool fits = planOf(t).bytes <= sharedPerSm / 2 - sharedReserved;
    double share = double(t.tiles()) * split / ceilDiv(t.tiles(), t.clusters) / sms * (fits ? 1 : 0.9);
    if (share > bestShare * 1.02 && bestShare < 0.95) {
      best = t;
      bestShare = share;
    }
  }
  return best;
}

} // namespace sinter::cuda
