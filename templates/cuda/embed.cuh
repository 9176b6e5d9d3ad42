// SPDX-License-Identifier: Apache-2.0
// Embeddings of a step's tokens, one block a token at a time. The table is the packed weight that the lm head of a
// model with tied embeddings multiplies with, so a row is gathered in pieces of 16 bytes.
// Arguments: 0 table, 1 y, 2 squares of y if they are wanted.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/embed_config.h"
#include "templates/cuda/matmul_squares.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/step_counts.cuh"
#include "templates/cuda/warp.cuh"

namespace sinter::cuda {

/// The token at `t`, which the step before may have sampled. One that is out of range, as -1 after logits that were not
/// finite, becomes 0: what follows it is never used, but must not read outside the table.
template <EmbedConfig C>
__device__ __forceinline__ int tokenAt(const rt::CudaStep &step, int t) {
  int token = loadL2(step.tokens + t);
  if (token < 0)
    token = loadL2(step.sampled + ~token);
  return token >= 0 && token < C.vocab ? token : 0;
}

/// Leaves the sum of the squares of 64 columns, of which eight neighbouring threads have a piece each; all of a warp.
template <EmbedConfig C, int N>
__device__ __forceinline__ void leaveSquares(const rt::CudaArgs<N> &args, int t, int piece, const U32x4 &v) {
  static_assert(N >= 3);
  float sum = sumOverLanes<8>(squaresOf(v));
  if (piece % 8 == 0 && piece < C.pieces())
    args.template get<float>(2)[squaresAt(t, piece / 8, ceilDiv(C.pieces(), 8))] = sum;
}

template <EmbedConfig C, int N>
__device__ void embed(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  launchDependents();
  waitForPrerequisites();
  int count = rowCount(step);
  for (int t = int(blockIdx.x); t < count; t += C.grid()) {
    int token = tokenAt<C>(step, t);
    const u16 *row =
        args.template get<const u16>(0) + packedIndex(token, 0, blocksOf(C.hidden)) - atomIndex(token % atomRows, 0);
    u16 *y = args.template get<u16>(1) + (long long)t * C.hidden;
    for (int piece = int(threadIdx.x); piece < (C.squares ? ceilDiv(C.pieces(), 32) * 32 : C.pieces());
         piece += C.threads()) {
      int column = piece * 8;
      U32x4 v{};
      if (!C.squares || piece < C.pieces()) {
        v = loadConstantX4(row + column / blockColumns * (blockBytes / 2) +
                           atomIndex(token % atomRows, column % blockColumns));
        storeGlobal(y + column, v);
      }
      if constexpr (C.squares)
        leaveSquares<C>(args, t, piece, v);
    }
  }
}

} // namespace sinter::cuda
