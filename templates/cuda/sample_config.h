// SPDX-License-Identifier: Apache-2.0
// What sampling is specialised for, and how its work is cut: all at compile time. Plain C++20.
#pragma once
#include "templates/cuda/layout.h"

namespace sinter::cuda {

inline constexpr int sampleGroup = 256;  ///< logits whose largest, and whose mass, is kept
inline constexpr int sampleChunk = 1024; ///< logits among which a draw is settled
inline constexpr int sampleList = 2048;  ///< candidates that are sorted at once
inline constexpr int sampleLikely = 256; ///< candidates that top-p looks at before all

/// step.sampled[row] = the token that CudaSampling says for each row of logits, float32 [S, vocab].
struct SampleConfig {
  int vocab = 0;
  int maxRows = 1; ///< S at most
  int sms = 132;   ///< multiprocessors of the chip

  constexpr int groups() const { return ceilDiv(vocab, sampleGroup); }
  constexpr int chunks() const { return ceilDiv(vocab, sampleChunk); }
  /// Blocks that share a row's first pass; the last to end goes on alone.
  constexpr int parts() const {
    int room = 2 * sms / maxRows, most = ceilDiv(groups(), 8);
    return room < 1 ? 1 : room < most ? room : most;
  }
  constexpr int partGroups() const { return ceilDiv(groups(), parts()); }

  // Shared memory, in bytes: candidates (or masses of a histogram, or of chunks), counts of a histogram, the largest
  // logit and the mass of every group, what threads exchange.
  constexpr int countsAt() const { return sampleList * 8; }
  constexpr int largestAt() const { return countsAt() + sampleList * 4; }
  constexpr int sumsAt() const { return largestAt() + groups() * 4; }
  constexpr int exchangeAt() const { return ceilDiv(sumsAt() + groups() * 4, 16) * 16; }
  // The workspace, in bytes: of each row the largest logit and the mass of every group, then the largest of each part.
  constexpr long long partsAt() const { return (long long)maxRows * groups() * 8; }

  constexpr bool valid() const { return vocab > 0 && vocab <= 1 << 19 && maxRows > 0 && sms > 0; }
  constexpr int threads() const { return 384; }
  constexpr int blocksPerSm() const { return 2; }
  constexpr int grid() const { return maxRows * parts(); }
  constexpr int cluster() const { return 1; }
  constexpr int sharedBytes() const { return exchangeAt() + 64 * 8; }
  constexpr long long workspaceBytes() const { return parts() > 1 ? partsAt() + (long long)grid() * 8 : 0; }
  constexpr int counters() const { return parts() > 1 ? maxRows : 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("vocab", vocab);
    v("maxRows", maxRows);
    v("sms", sms);
  }
};

} // namespace sinter::cuda
