// SPDX-License-Identifier: Apache-2.0
// Activations of an operation on their way from the exchange to a consuming warp, which polls for those of its own
// columns and keeps them in shared memory, without meeting another warp.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/decode_step_consume.cuh"

namespace sinter::cuda {

/// This warp's activations of an operation on their way to shared memory, four chunks of 64 columns by all lanes at
/// once.
template <DecodeStepConfig C>
struct StepActivations {
  static constexpr int vectors = ceilDiv(C.mostChunks(), 4) < 3 ? ceilDiv(C.mostChunks(), 4) : 3;
  static constexpr int together = vectors * 4, apart = 4 * C.chunkBlocks * 32;
  int left; ///< chunks from this lane's on
  u32 to;
  const u32 *from;
  U32x4 words[vectors];

  /// Asks for the first.
  __device__ __forceinline__ StepActivations(const StepConsumer<C> &self, const u32 *source, int chunks) {
    int chunk = self.lane / 8, piece = self.lane % 8; // of four chunks, and 16 bytes of it
    left = chunks - chunk;
    to = self.activations(chunk) + piece * 4;
    from = source + (chunk * C.chunkBlocks + self.warp) * 32 + piece * 4;
    ask();
  }
  __device__ __forceinline__ void ask() {
#pragma unroll
    for (int i = 0; i < vectors; ++i)
      words[i] = i * 4 < left ? U32x4{} : presentZeros<4>();
    askVectors<vectors>(words, from, apart);
  }
  /// Leaves `chunks` of them in shared memory, once they are there; returns the sum of this lane's squares.
  __device__ __forceinline__ float fetch(int chunks) {
    float squares = 0;
    keepInRegister(to);
#pragma unroll 1
    while (true) {
      pollVectors<vectors>(words, from, apart);
#pragma unroll
      for (int i = 0; i < vectors; ++i)
        if (i * 4 < left) {
          squares += squaresOf(words[i]);
          u32 at = to + i * 4 * C.activationBytes();
          storeShared(at, words[i].x);
          storeShared(at + 32, words[i].y);
          storeShared(at + 64, words[i].z);
          storeShared(at + 96, words[i].w);
        }
      if ((chunks -= together) <= 0)
        break;
      left -= together;
      from += together * C.chunkBlocks * 32;
      to += together * C.activationBytes();
      ask();
    }
    __syncwarp();
    return squares;
  }
};

} // namespace sinter::cuda
