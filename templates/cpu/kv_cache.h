// SPDX-License-Identifier: Apache-2.0
// The layout of the paged key/value cache. A layer's pool is [block][KvConfig::blockBytes()]; a block holds
// `blockTokens` consecutive positions of one sequence, and of each KV head first the keys, then the values:
//
//   keys    [token / 16][dim / pair][token % 16][dim % pair]     a vector of 16 scores takes one load a dim (pair)
//   values  [token / pair][valueDims()][token % pair]            a vector of 16 output dims takes one load a token
//   (pair)
//
// `pair` is 2 for bf16, the operand order of vdpbf16ps, and 1 for f32 and f16. Plain arithmetic, shared by the kernels,
// the memory plan and the tests.
#pragma once
#include "templates/cpu/layout.h"

namespace sinter::cpu {

struct KvConfig {
  int kvHeads = 1, headDim = 64; ///< headDim is even
  int blockTokens = 32;          ///< a multiple of 16
  Element type = Element::BF16;

  constexpr bool valid() const {
    return kvHeads > 0 && headDim > 0 && headDim % 2 == 0 && blockTokens > 0 && blockTokens % 16 == 0 &&
           type != Element::Q8;
  }
  constexpr int elementBytes() const { return type == Element::F32 ? 4 : 2; }
  constexpr int pair() const { return type == Element::BF16 ? 2 : 1; }
  /// Dims of a stored value row: whole vectors, so that no load needs a mask. What lies in the padding is never used.
  constexpr int valueDims() const { return (headDim + 15) / 16 * 16; }
  constexpr int64_t keyBytes() const { return int64_t(blockTokens) * headDim * elementBytes(); }
  constexpr int64_t headBytes() const { return keyBytes() + int64_t(blockTokens) * valueDims() * elementBytes(); }
  constexpr int64_t blockBytes() const { return kvHeads * headBytes(); }

  /// Where in a block an element of a key lies, in bytes.
  constexpr int64_t keyOffset(int head, int token, int dim) const {
    int64_t group = int64_t(token / 16) * 16 * headDim;
    return head * headBytes() + (group + (dim / pair() * 16 + token % 16) * pair() + dim % pair()) * elementBytes();
  }
  /// Where in a block an element of a value lies, in bytes.
  constexpr int64_t valueOffset(int head, int token, int dim) const {
    int64_t row = int64_t(token / pair()) * valueDims() * pair();
    return head * headBytes() + keyBytes() + (row + dim * pair() + token % pair()) * elementBytes();
  }
  bool operator==(const KvConfig &) const = default;
};

} // namespace sinter::cpu
