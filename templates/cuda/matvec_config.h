// SPDX-License-Identifier: Apache-2.0
// What a weight-streaming matmul of 1 to 16 tokens is specialised for, and how its work is cut. Plain C++20.
#pragma once
#include "templates/cuda/chip.h"
#include "templates/cuda/epilogue_config.h"
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// y[t, i] = epilogue(sum_k x[t, k] * w[i, k] + bias[i]), x bfloat16, w packed by pack_weight.h, sums in float32.
/// With norm, x stands for x * rsqrt(mean(x^2) + eps): the factor, one a token, is applied to the sums. The weight of
/// an RMSNorm is folded into w, or with normWeight applied to x on load, with one rounding to bfloat16.
struct MatvecConfig {
  int n = 0; ///< columns of y
  int k = 0; ///< columns of x, a multiple of 8
  int tokens = 1;
  Epilogue epilogue = Epilogue::None;
  Out out = Out::Bf16;
  bool norm = false;
  bool normWeight = false;
  bool bias = false; ///< for SwiGlu: one of the gate's, one of the up projection's
  float eps = 1e-6f;

  // How it runs. tuned() fills what is 0.
  int split = 0;              ///< CTAs, one cluster, that share the columns of a tile: 1, 2, 4 or 8
  int clusters = 0;           ///< the grid is split * clusters; tiles are spread over clusters
  int chunkBlocks = 0;        ///< blocks, of 2 KiB, of the longest bulk copy
  int slots = 0;              ///< of the ring, chunkBlocks each
  int outstanding = 0;        ///< copies in flight
  int perSm = 0;              ///< CTAs of one grid on an SM, at most
  int warps = 0;              ///< that consume: 4, 8 or 16
  int finishWarps = 0;        ///< that sum what those leave of a tile, while they go on with the next
  bool triggerAtEntry = true; ///< let the next kernel start at once; else when the last copy is ordered
  int nextTiles = 0; ///< of the matvec that follows, and how it is cut: see matvec_ahead.cuh; 0: none is seen to
  int nextBlocks = 0, nextSplit = 0, nextClusters = 0;

  constexpr bool gated() const { return epilogue == Epilogue::SwiGlu; }
  constexpr int tileOutputs() const { return gated() ? 8 : tileRows; }
  constexpr int tiles() const { return ceilDiv(n, tileOutputs()); }
  constexpr int blocks() const { return blocksOf(k); }
  constexpr long long weightBytes() const { return (long long)tiles() * blocks() * blockBytes; }
  constexpr int consumers() const { return warps * 32; }
  constexpr int finishers() const { return finishWarps * 32; }
  constexpr int outBytes() const { return out == Out::F32 ? 4 : 2; }

  constexpr bool valid() const;
  constexpr int threads() const { return consumers() + finishers() + 32; } ///< the last warp loads
  constexpr int blocksPerSm() const { return perSm; }
  constexpr int grid() const { return split * clusters; }
  constexpr int cluster() const { return split; }
  constexpr int sharedBytes() const;
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
    v("bias", bias);
    v("eps", eps);
    v("split", split);
    v("clusters", clusters);
    v("chunkBlocks", chunkBlocks);
    v("slots", slots);
    v("outstanding", outstanding);
    v("perSm", perSm);
    v("warps", warps);
    v("finishWarps", finishWarps);
    v("triggerAtEntry", triggerAtEntry);
    v("nextTiles", nextTiles);
    v("nextBlocks", nextBlocks);
    v("nextSplit", nextSplit);
    v("nextClusters", nextClusters);
  }
};

inline constexpr int threadRegisters = 72; ///< that a thread needs, about

/// Groups, at most, in which a warp fetches its activations.
inline constexpr int activationStages = 8;

/// Barriers between the warps that consume and those that finish: see matvec_work.cuh.
inline constexpr int sumBarriers = 7;

/// How a configuration is cut, and where things lie in shared memory (byte offsets).
struct MatvecPlan {
  int sliceBlocks;      ///< blocks of a tile, at most, that one CTA of the cluster has
  int chunksPerTile;    ///< copies a tile's slice takes
  int chunkBlocks;      ///< blocks of each of them, but the last
  int clusterTiles;     ///< tiles, at most, of a cluster
  int groupTiles;       ///< tiles whose slices are summed over the cluster at once
  int groupEntries;     ///< outputs of a group that one CTA finishes
  int threadEntries;    ///< of them, at most, a thread
  int warpBlocks;       ///< blocks of a chunk, at most, that a warp consumes
  int stageChunks;      ///< chunks whose activations are waited for at once
  int stages;           ///< how often
  int activationStride; ///< bytes from token to token
  int tokenGroup;       ///< of the 8 columns of an mma, those that tokens fill: see matvec_consume.cuh
  int squareParts;      ///< sums of squares of a token, each by a warp
  int parts;            ///< partial sums of an output that a warp leaves: 8 / tokenGroup
  int partialStride;    ///< floats from token to token in them, padded so that a warp's stores meet no bank twice
  int activations, norm, partials, peers, squares, peerSquares, barriers, bytes;
};

constexpr MatvecPlan planOf(const MatvecConfig &c) {
  MatvecPlan p{};
  p.sliceBlocks = ceilDiv(c.blocks(), c.split);
  p.chunksPerTile = ceilDiv(p.sliceBlocks, c.chunkBlocks);
  p.chunkBlocks = ceilDiv(p.sliceBlocks, p.chunksPerTile);
  p.clusterTiles = ceilDiv(c.tiles(), c.clusters);
  int entries = c.tokens * c.tileOutputs() / c.split;
  int most = 2 * c.finishers() / entries;
  p.groupTiles = c.split == 1 ? 1 : most < 1 ? 1 : most < p.clusterTiles ? most : p.clusterTiles;
  p.groupEntries = p.groupTiles * entries;
  p.threadEntries = ceilDiv(p.groupEntries, c.finishers());
  p.warpBlocks = ceilDiv(p.chunkBlocks, c.warps);
  // The few bytes of a few tokens come at once.
  p.stageChunks = c.tokens < 4 ? p.chunksPerTile : ceilDiv(p.chunksPerTile, activationStages);
  p.stages = ceilDiv(p.chunksPerTile, p.stageChunks);
  p.activationStride = p.sliceBlocks * blockColumns * 2;
  p.squareParts = c.normWeight ? c.warps : c.tokens == 1 ? c.finishWarps : 1;
  p.tokenGroup = c.tokens <= 2 ? 2 : c.tokens <= 4 ? 4 : 8;
  p.parts = 8 / p.tokenGroup;
  p.partialStride = tileRows * p.parts + (p.parts == 1 ? 4 : p.parts == 2 ? 8 : 0);
  int at = c.slots * p.chunkBlocks * blockBytes; // whole atoms, like the activations
  p.activations = at;
  at += c.tokens * p.activationStride;
  // The norm's weight is read for the last time before this CTA writes its first sum. Other CTAs may be ahead.
  p.norm = p.partials = at;
  int partials = 2 * c.warps * c.tokens * p.partialStride * 4,
      weights = c.normWeight ? p.sliceBlocks * blockColumns * 4 : 0;
  p.peers = at + (partials > weights ? partials : weights);
  p.squares = p.peers + (c.split > 1 ? 2 * p.groupTiles * c.tokens * tileRows * 4 : 0);
  p.peerSquares = p.squares + c.tokens * p.squareParts * 4;
  p.barriers = ceilDiv(p.peerSquares + c.split * c.tokens * 4, 16) * 16;
  p.bytes = p.barriers + (2 * c.slots + sumBarriers) * 8;
  return p;
}

constexpr int MatvecConfig::sharedBytes() const { return planOf(*this).bytes; }

constexpr bool MatvecConfig::valid() const {
  const MatvecConfig &c = *this;
  bool split = c.split == 1 || c.split == 2 || c.split == 4 || c.split == 8;
  bool shape = c.n > 0 && c.k > 0 && c.k % 8 == 0 && c.tokens >= 1 && c.tokens <= 16 && (c.norm || !c.normWeight);
  bool ring = c.chunkBlocks > 0 && c.outstanding > 0 && c.outstanding <= c.slots;
  bool team = (c.warps == 4 || c.warps == 8 || c.warps == 16) && c.finishWarps >= 1 && c.finishWarps <= 8 &&
              c.clusters > 0 && c.clusters <= c.tiles();
  return split && shape && ring && team && c.blocks() >= c.split && planOf(c).bytes <= sharedPerBlock;
}

/// Weights below which an operation is over before a second CTA on an SM, or a ring that leaves no room for one, has
/// helped it.
inline constexpr long long smallWeight = 16 << 20;

/// Of `room` clusters that run at once, as many as it takes for the same number of rounds.
constexpr int evenClusters(const MatvecConfig &c, int room) { return ceilDiv(c.tiles(), ceilDiv(c.tiles(), room)); }

/// `c` cut over `split` CTAs a cluster; what is set in `c` stays. The ring has the most slots that leave room for
/// another CTA on the SM; where not even 5 do and the weights are many, all the room that there is; else 4.
constexpr MatvecConfig cutInto(const MatvecConfig &c, int split, int sms) {
  MatvecConfig t = c;
  t.split = split;
  t.clusters = 1;
  t.chunkBlocks = c.chunkBlocks ? c.chunkBlocks : 8;
  t.warps = c.warps ? c.warps : 8;
  bool many = c.weightBytes() >= smallWeight, few = c.tokens <= 4;
  auto deepest = [&](int least, int room) {
    for (t.slots = c.slots ? c.slots : few ? 8 : 12; !c.slots && t.slots > least && planOf(t).bytes > room;)
      --t.slots;
    return planOf(t).bytes <= room;
  };
  bool halfAnSm = deepest(many ? 5 : 4, sharedFor(2)), alone = many && !halfAnSm;
  if (alone)
    deepest(4, sharedPerBlock);
  bool two = halfAnSm && t.slots >= 5 && 2 * t.threads() * threadRegisters <= registersPerSm && (c.tokens > 4 || many);
  t.perSm = c.perSm ? c.perSm : two ? 2 : 1;
  int inFlight = t.slots < 5 ? 3 : !alone ? 2 : split > 1 || c.tokens > 8 ? 4 : 3;
  t.outstanding = c.outstanding ? c.outstanding : inFlight;
  int room = clustersOf(split, sms) * t.perSm, even = evenClusters(t, room);
  bool all = alone && room < t.tiles() && (split > 1 || (!few && 32 * (room - even) > room));
  t.clusters = c.clusters ? c.clusters : all ? room : even;
  return t;
}

/// Fills in how a configuration runs on a chip of `sms` multiprocessors. A cluster has whole tiles.
///
/// An SM can read faster than its share, so uneven tiles cost less than the exchange of a split: the columns are split
/// only as far as the activations must be to fit, or where few CTAs would have short rings. Rings are as deep as lets
/// two CTAs share an SM, since the next kernel's copies start while this one ends; where they are deep enough then, a
/// grid has two CTAs an SM itself, unless that only puts it in the next kernel's way. Where activations leave no room
/// for a second CTA, deep rings bridge the time until they are there, and no more than a few SMs are left without one.
constexpr MatvecConfig tuned(MatvecConfig c, int sms = 132) {
  c.finishWarps = c.finishWarps ? c.finishWarps : c.tokens > 8 ? 8 : 4;
  MatvecConfig first{};
  for (int split = c.split ? c.split : 1; split <= (c.split ? c.split : 8) && split <= c.blocks(); split *= 2) {
    MatvecConfig t = cutInto(c, split, sms);
    if (!t.valid())
      continue;
    bool idle = 4 * split * evenClusters(t, clustersOf(split, sms) * t.perSm) < 3 * sms;
    bool starved = t.slots < 6 && idle && c.weightBytes() >= smallWeight;
    if (!starved || c.slots)
      return t;
    if (!first.split)
      first = t;
  }
  return first;
}

/// Weights up to which the ring has nearly all of an operation before its activations are there, so that memory idles
/// from then on.
inline constexpr long long shortWeight = 24 << 20;

/// `c` where `next` follows it, both tuned: sees to the first of its weights, if it is short itself. Five tokens and
/// more, since else the next one's CTAs begin meanwhile.
constexpr MatvecConfig followedBy(MatvecConfig c, const MatvecConfig &next) {
  if (c.tokens > 4 && c.weightBytes() >= smallWeight && c.weightBytes() <= shortWeight) {
    c.nextTiles = next.tiles();
    c.nextBlocks = next.blocks();
    c.nextSplit = next.split;
    c.nextClusters = next.clusters;
  }
  return c;
}

/// How the tiles of the matvec after `c` are cut.
constexpr MatvecConfig nextOf(const MatvecConfig &c) {
  MatvecConfig next{};
  next.n = c.nextTiles * tileRows;
  next.k = c.nextBlocks * blockColumns;
  next.split = c.nextSplit;
  next.clusters = c.nextClusters;
  return next;
}

} // namespace sinter::cuda
