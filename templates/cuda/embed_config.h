// SPDX-License-Identifier: Apache-2.0
// What looking up tokens' embeddings is specialised for. Plain C++20.
#pragma once
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// y[t] = table[token t], a weight [vocab, hidden] packed as layout.h says, y bfloat16 [T, hidden].
struct EmbedConfig {
  int hidden = 0; ///< a multiple of 8
  int vocab = 0;
  bool squares = false; ///< leave the squares of y, for the matmul that norms it
  int maxRows = 1;      ///< T at most
  int sms = 132;        ///< multiprocessors of the chip

  constexpr int pieces() const { return hidden / 8; } ///< of 16 bytes, in a row
  constexpr bool valid() const { return hidden > 0 && hidden % 8 == 0 && vocab > 0 && maxRows > 0 && sms > 0; }
  constexpr int threads() const { return pieces() < 256 ? ceilDiv(pieces(), 32) * 32 : 256; }
  constexpr int blocksPerSm() const { return 1; }
  constexpr int grid() const { return maxRows < sms * 8 ? maxRows : sms * 8; }
  constexpr int cluster() const { return 1; }
  constexpr int sharedBytes() const { return 0; }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("hidden", hidden);
    v("vocab", vocab);
    v("squares", squares);
    v("maxRows", maxRows);
    v("sms", sms);
  }
};

} // namespace sinter::cuda
