// SPDX-License-Identifier: Apache-2.0
// What the portable prefill attention is specialised for. Plain C++20.
#pragma once
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// out = softmax(scale * q k^T, causal) v for sequences of a step that have more than one token in it; rows of others
/// are left alone. q and out bfloat16 [T, heads * headDim]; keys and values from the KV cache. sm_80 and later.
struct AttentionPrefillMmaConfig {
  int heads = 0;   ///< of the queries
  int kvHeads = 0; ///< divides heads
  int headDim = 0; ///< 64 or 128
  float scale = 0; ///< of the scores
  int sms = 132;   ///< multiprocessors of the chip
  int warps = 8;   ///< of 16 query rows each

  constexpr int rows() const { return warps * 16; } ///< of a tile
  constexpr int group() const { return heads / kvHeads; }
  /// Keys and values of one head in a block, which lie side by side.
  constexpr int stageBytes() const { return 2 * kvHeadBytes(headDim); }
  constexpr int queryBytes() const { return rows() * headDim * 2; }

  constexpr bool valid() const {
    return heads > 0 && kvHeads > 0 && heads % kvHeads == 0 && (headDim == 64 || headDim == 128) && sms > 0 &&
           (warps == 4 || warps == 8);
  }
  constexpr int threads() const { return warps * 32; }
  constexpr int blocksPerSm() const { return 1; }
  constexpr int grid() const { return sms; }
  constexpr int cluster() const { return 1; }
  /// Two stages of keys and values, and the queries: 96 KiB at most, what sm_86, 89 and 120 have room for. 1 KiB more,
  /// since swizzled atoms are aligned to their size.
  constexpr int sharedBytes() const { return 2 * stageBytes() + queryBytes() + atomBytes; }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("heads", heads);
    v("kvHeads", kvHeads);
    v("headDim", headDim);
    v("scale", scale);
    v("sms", sms);
    v("warps", warps);
  }
};

} // namespace sinter::cuda
