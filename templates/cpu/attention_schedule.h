// SPDX-License-Identifier: Apache-2.0
// How a step's attention is cut up and shared out. A unit is a KV head of a sequence with up to `tileTokens` of its
// query tokens: its rows are the query heads that share the KV head, token after token, so that a key is read once for
// all of them. Units are in a fixed order; each thread takes an equal part of their total cost, cut between rows.
// Rows are independent, so the cut changes no result.
#pragma once
#include "runtime/abi/Kernel.h"
#include "templates/cpu/attention_math.h"
#include <numeric>

namespace sinter::cpu {

struct AttentionUnit {
  int32_t seq;
  int32_t kvHead;
  int32_t firstToken; ///< row of the step
  int32_t tokens;
  int32_t keys; ///< that its last token sees
  int64_t rowCost;
};

/// Query tokens of a unit: about 48 rows, in whole register tiles.
constexpr int attentionTileTokens(int group) {
  int whole = rowsAtOnce / std::gcd(rowsAtOnce, group);
  int tokens = 48 / group / whole * whole;
  return tokens > 0 ? tokens : whole;
}

/// Calls f with every unit of the step.
template <int kvHeads, int group, typename F>
inline void forAttentionUnits(const rt::Step &step, F &&f) {
  constexpr int tileTokens = attentionTileTokens(group);
  for (int32_t seq = 0; seq < step.numSeqs; ++seq) {
    int32_t begin = step.queryStart[seq], end = step.queryStart[seq + 1];
    for (int32_t kvHead = 0; kvHead < kvHeads; ++kvHead)
      for (int32_t first = begin; first < end; first += tileTokens) {
        int32_t tokens = end - first < tileTokens ? end - first : tileTokens;
        int32_t keys = step.contextLen[seq] - (end - first - tokens);
        f(AttentionUnit{seq, kvHead, first, tokens, keys, int64_t(keys) + 16});
      }
  }
}

/// Calls f(unit, rowBegin, rowEnd) with the rows that are this worker's.
template <int kvHeads, int group, typename F>
inline void forMyAttentionRows(const rt::Step &step, const rt::Worker &worker, F &&f) {
  int64_t total = 0, before = 0;
  forAttentionUnits<kvHeads, group>(step, [&](const AttentionUnit &u) { total += u.tokens * group * u.rowCost; });
  int64_t from = total * worker.index / worker.count, to = total * (worker.index + 1) / worker.count;
  forAttentionUnits<kvHeads, group>(step, [&](const AttentionUnit &u) {
    int64_t rows = u.tokens * group, grain = rows > rowsAtOnce ? rowsAtOnce : 1;
    auto cut = [&](int64_t cost) {
      int64_t row = cost <= before ? 0 : (cost - before + u.rowCost * grain / 2) / (u.rowCost * grain) * grain;
      return row < rows ? row : rows;
    };
    int64_t rowBegin = cut(from), rowEnd = worker.index + 1 == worker.count ? rows : cut(to);
    if (rowBegin < rowEnd)
      f(u, int(rowBegin), int(rowEnd));
    before += rows * u.rowCost;
  });
}

} // namespace sinter::cpu
