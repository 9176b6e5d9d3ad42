// SPDX-License-Identifier: Apache-2.0
// What the prefill attention of sm_90a is specialised for, and where things lie in its shared memory. Plain C++20.
#pragma once
#include "templates/cuda/chip.h"
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// out = softmax(scale * q k^T, causal) v for sequences of a step that have more than one token in it; rows of others
/// are left alone. q and out bfloat16 [T, heads * headDim]; keys and values from the KV cache.
struct AttentionPrefillConfig {
  int heads = 0;   ///< of the queries
  int kvHeads = 0; ///< divides heads
  int headDim = 0; ///< 64 or 128
  float scale = 0; ///< of the scores
  int sms = 132;   ///< multiprocessors of the chip

  // How it runs.
  int keys = 128;      ///< of a step: 64 or 128
  int stages = 2;      ///< of keys and of values in shared memory
  bool inTurns = true; ///< warpgroups take turns, so that one's softmax runs beside the other's products

  static constexpr int warpgroups = 2;                    ///< that compute, 64 query rows each
  static constexpr int rows() { return warpgroups * 64; } ///< of a tile
  constexpr int group() const { return heads / kvHeads; }
  constexpr int stepBlocks() const { return keys / kvBlockTokens; }
  constexpr int consumers() const { return warpgroups * 128; }
  /// Registers of a thread that computes, and of one that loads: together what the launch gives to all.
  static constexpr int computeRegisters = 232, loadRegisters = 40;

  // Shared memory: stages of keys, stages of values, queries, barriers, the tile that the queries are of.
  constexpr int stageBytes() const { return keys * headDim * 2; } ///< of keys, or of values
  constexpr int queriesAt() const { return 2 * stages * stageBytes(); }
  constexpr int barriersAt() const { return queriesAt() + rows() * headDim * 2; }
  constexpr int tileAt() const { return barriersAt() + (stages * 4 + 2) * 8; }

  constexpr bool valid() const {
    return heads > 0 && kvHeads > 0 && heads % kvHeads == 0 && (headDim == 64 || headDim == 128) && sms > 0 &&
           (keys == 64 || keys == 128) && stages >= 2 && sharedBytes() <= sharedPerBlock;
  }
  constexpr int threads() const { return consumers() + 128; }
  constexpr int blocksPerSm() const { return 1; }
  constexpr int grid() const { return sms; }
  constexpr int cluster() const { return 1; }
  constexpr int sharedBytes() const { return tileAt() + 32 + atomBytes; } ///< swizzled atoms are aligned to their size
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("heads", heads);
    v("kvHeads", kvHeads);
    v("headDim", headDim);
    v("scale", scale);
    v("sms", sms);
    v("keys", keys);
    v("stages", stages);
    v("inTurns", inTurns);
  }
};

} // namespace sinter::cuda
