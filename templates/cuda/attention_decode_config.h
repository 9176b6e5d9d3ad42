// SPDX-License-Identifier: Apache-2.0
// What paged decode attention is specialised for, and where things lie in its shared memory. Plain C++20.
#pragma once
#include "templates/cuda/chip.h"
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// out[t] = softmax(scale q k^T) v over a sequence's paged keys and values, for every sequence with exactly one token
/// in the step. heads / kvHeads query heads share a head of keys. bfloat16 in and out, sums in float32.
///
/// fused: q, k and v come as rows of one matrix [T, (heads + 2 kvHeads) headDim], T = sequences; q and k are normed
/// (norm: RMSNorm of each head) and roped, k and v appended to the pool. Else q is roped and the pool complete.
struct AttentionDecodeConfig {
  int heads = 0;
  int kvHeads = 0;
  int headDim = 0; ///< 64 or 128
  float scale = 0;
  bool fused = false;
  bool norm = false; ///< of a fused kernel
  float eps = 1e-6f;
  int maxSequences = 1; ///< of a step
  int sms = 132;        ///< multiprocessors of the chip

  // How it runs. tuned() fills in what is 0.
  int slots = 0;     ///< of a warp's ring, the keys and values of 16 tokens each
  int perSm = 0;     ///< blocks on a multiprocessor
  bool bulk = false; ///< sm_90 and on: one thread copies 2 KiB at a time; else every lane 16 bytes

  static constexpr int mostSequences = 1024;
  static constexpr int warps = 4; ///< a warp has every fourth 16 tokens of a block of keys
  static constexpr int sliceTokens = kvBlockTokens / warps;

  constexpr int group() const { return heads / kvHeads; }
  constexpr int columnGroups() const { return headDim / atomColumns; }
  constexpr int sliceBytes() const { return 2 * sliceTokens * headDim * 2; }
  constexpr int valuesAt() const { return sliceBytes() / 2; }
  constexpr int qkvColumns() const { return (heads + 2 * kvHeads) * headDim; }

  /// Heads of the group that warps bring together at once.
  constexpr int sharedHeads() const { return group() < 8 ? group() : 8; }

  // Shared memory, offsets in bytes. Rows of partial sums are padded, so that a warp's stores meet no bank twice.
  constexpr int rowStride() const { return headDim + 4; } ///< floats
  constexpr int partialsAt() const { return warps * slots * sliceBytes(); }
  constexpr int sumsAt() const { return partialsAt() + warps * sharedHeads() * rowStride() * 4; }
  constexpr int unitsAt() const { return sumsAt() + ceilDiv(warps * sharedHeads() * 2 * 4, 32) * 32; }
  constexpr int heldAt() const { return unitsAt() + warps * unitRing * unitBytes; }
  constexpr int startsAt() const { return heldAt() + group() * heldBytes(); }
  constexpr int heldBytes() const { return (headDim + 64) * 4; } ///< of a row: what a lane has of it, 32 times
  constexpr int lengthsAt() const { return startsAt() + (maxSequences + 1) * 4; }
  constexpr int barriersAt() const { return ceilDiv(lengthsAt() + maxSequences * 4, 8) * 8; }

  static constexpr int unitBytes = 32, unitRing = 16; ///< of the list of work that each warp keeps

  /// What a block hands to another of a head that they share: sums of the group, then maxima and sums of weights.
  constexpr int mailRowWords() const { return headDim + 4; }
  constexpr int mailWords() const { return group() * mailRowWords(); }
  /// Parts of a head that are asked for at once. Few sequences mean many parts; else short code is faster, since it is
  /// fetched for the first time when it is run.
  constexpr int partsTogether() const { return maxSequences > 8 ? 4 : 16; }

  constexpr bool valid() const {
    bool shape = kvHeads > 0 && heads % kvHeads == 0 && group() >= 1 && group() <= 16;
    bool dim = headDim == 64 || headDim == 128;
    bool run = slots >= 2 && slots <= unitRing / 2 && perSm >= 1 && sms > 0;
    return shape && dim && run && scale > 0 && maxSequences >= 1 && maxSequences <= 1024;
  }
  constexpr int threads() const { return warps * 32; }
  /// As far as registers go. Three leave room for the kernels before and after.
  constexpr int blocksPerSm() const { return bulk && group() <= 8 ? 3 : 2; }
  constexpr int grid() const { return sms * perSm; }
  constexpr int cluster() const { return 1; }
  constexpr int sharedBytes() const { return barriersAt() + (bulk ? warps * slots * 8 : 0); }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return grid() * mailWords(); }

  template <typename V>
  constexpr void visit(V &&v) const {
    v("heads", heads);
    v("kvHeads", kvHeads);
    v("headDim", headDim);
    v("scale", scale);
    v("fused", fused);
    v("norm", norm);
    v("eps", eps);
    v("maxSequences", maxSequences);
    v("sms", sms);
    v("slots", slots);
    v("perSm", perSm);
    v("bulk", bulk);
  }
};

/// Fills in how a configuration runs where a multiprocessor has `smShared` bytes of shared memory (sm_90 and sm_100:
/// 233472, sm_80: 167936, sm_86, sm_89 and sm_120: 102400): two blocks, or one where two would have too short rings.
constexpr AttentionDecodeConfig tuned(AttentionDecodeConfig c, int smShared) {
  int most = 49152 / (c.warps * c.sliceBytes() / 2);
  for (int perSm = c.perSm ? c.perSm : 2; perSm >= 1; --perSm)
    for (int slots = c.slots ? c.slots : most; slots >= 2; --slots) {
      AttentionDecodeConfig t = c;
      t.perSm = perSm;
      t.slots = slots;
      if (t.sharedBytes() <= smShared / perSm - sharedReserved)
        return t;
    }
  return c;
}

} // namespace sinter::cuda
