// SPDX-License-Identifier: Apache-2.0
// What the rotary embedding and the append to the KV cache are specialised for. Plain C++20.
#pragma once
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// From rows [T, (heads + 2 kvHeads) headDim] of q, k and v: q and k normed (norm: RMSNorm of each head) and roped, in
/// float32, rounded once; q to rows [T, heads headDim], k and v to the pool.
struct RopeAppendConfig {
  int heads = 0;
  int kvHeads = 0;
  int headDim = 0; ///< a multiple of 16, at most 512, a power of two
  bool norm = false;
  float eps = 1e-6f;
  int sms = 132; ///< multiprocessors of the chip

  static constexpr int together = 4; ///< heads of a token whose loads a thread has in flight at once

  constexpr int rows() const { return heads + 2 * kvHeads; }
  constexpr int rowLanes() const { return headDim / 16; } ///< a thread has 8 columns of each half of a head
  constexpr int chunks() const { return ceilDiv(rows(), together); }

  constexpr bool valid() const {
    bool lanes = headDim >= atomColumns && headDim <= 512 && (headDim & (headDim - 1)) == 0;
    return heads > 0 && kvHeads > 0 && lanes && sms > 0;
  }
  constexpr int threads() const { return 256; }
  constexpr int blocksPerSm() const { return 2; }
  constexpr int grid() const { return sms * blocksPerSm(); }
  constexpr int cluster() const { return 1; }
  constexpr int sharedBytes() const { return 0; }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("heads", heads);
    v("kvHeads", kvHeads);
    v("headDim", headDim);
    v("norm", norm);
    v("eps", eps);
    v("sms", sms);
  }
};

} // namespace sinter::cuda
