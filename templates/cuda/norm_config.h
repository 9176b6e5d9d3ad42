// SPDX-License-Identifier: Apache-2.0
// What an RMSNorm of rows is specialised for. Plain C++20.
#pragma once
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// y = x * rsqrt(mean(x^2) + eps) * weight for each row; x and y bfloat16 [rows, hidden], weight float32 [hidden]. In
/// float32, rounded once. y may be x.
/// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019
struct RmsNormConfig {
  int hidden = 0; ///< a multiple of 8
  float eps = 1e-6f;
  bool weighted = true; ///< else the weight is folded into whatever reads y
  int maxRows = 1;      ///< rows at most
  int sms = 132;        ///< multiprocessors of the chip

  constexpr int pieces() const { return hidden / 8; } ///< of 16 bytes, in a row
  constexpr int threadPieces() const { return ceilDiv(pieces(), threads()); }
  constexpr bool valid() const { return hidden > 0 && hidden % 8 == 0 && hidden <= 32768 && maxRows > 0 && sms > 0; }
  /// Few rows want many loads at once, many rows want blocks that waste no lanes.
  constexpr int threads() const {
    int most = maxRows <= sms ? 512 : 256;
    return pieces() < most ? ceilDiv(pieces(), 32) * 32 : most;
  }
  constexpr int blocksPerSm() const { return threads() <= 256 && threadPieces() <= 4 ? 4 : 1; }
  constexpr int grid() const { return maxRows < sms * 8 ? maxRows : sms * 8; }
  constexpr int cluster() const { return 1; }
  constexpr int sharedBytes() const { return 0; }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("hidden", hidden);
    v("eps", eps);
    v("weighted", weighted);
    v("maxRows", maxRows);
    v("sms", sms);
  }
};

} // namespace sinter::cuda
