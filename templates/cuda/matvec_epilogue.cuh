// SPDX-License-Identifier: Apache-2.0
// From partial sums to y, in pieces that matvec_finish.cuh puts together. Each consuming warp of each CTA of a cluster
// holds a part of every output of a tile; they meet in shared memory, in the order of warps, then of CTAs. CTA r of a
// cluster of s finishes rows [r, r + 1) * 8 / s of both halves of each tile, so that gate and up of one output stay
// together.
#pragma once
#include "templates/cuda/matvec_activations.cuh"

namespace sinter::cuda {

/// One output: which, and what is fetched for it ahead of its sum.
struct MatvecEntry {
  int tile; ///< of the group
  int token;
  int output; ///< of the tile's, among those this CTA finishes
};

template <MatvecConfig C>
__device__ __forceinline__ MatvecEntry entryOf(int index) {
  constexpr int mine = C.tileOutputs() / C.split;
  return {index / (mine * C.tokens), index / mine % C.tokens, index % mine};
}

/// The column of y of an output.
template <MatvecConfig C>
__device__ __forceinline__ int columnOf(int tile, int output, u32 rank) {
  constexpr int half = 8 / C.split;
  return tile * C.tileOutputs() + output / half * 8 + int(rank) * half + output % half;
}

/// A warp's accumulators of a tile to shared memory: [token][16], padded.
template <MatvecConfig C, int Columns>
__device__ __forceinline__ void storePartials(char *shared, int buffer, const float (&sums)[Columns][4]) {
  int warp = int(threadIdx.x / 32), g = int(threadIdx.x % 32 / 4), j = int(threadIdx.x % 4);
  float *partials =
      reinterpret_cast<float *>(shared + planOf(C).partials) + (buffer * C.warps + warp) * C.tokens * partialStride;
#pragma unroll
  for (int column = 0; column < Columns; ++column)
#pragma unroll
    for (int odd = 0; odd < 2; ++odd) {
      int token = column * 8 + 2 * j + odd;
      if (token < C.tokens) {
        partials[token * partialStride + g] = sums[column][odd];
        partials[token * partialStride + g + 8] = sums[column][2 + odd];
      }
    }
}

template <MatvecConfig C>
__device__ __forceinline__ float sumOverWarps(const char *shared, int buffer, int token, int row) {
  const float *partials = reinterpret_cast<const float *>(shared + planOf(C).partials) +
                          buffer * C.warps * C.tokens * partialStride + token * partialStride + row;
  float sum = 0;
#pragma unroll
  for (int warp = 0; warp < C.warps; ++warp)
    sum += partials[warp * C.tokens * partialStride];
  return sum;
}

/// Where the sum of CTA `from` for an output waits, in floats: [buffer][tile][token][16 / split][from].
template <MatvecConfig C>
__device__ __forceinline__ int peerIndex(int buffer, int tile, int token, int output, int from) {
  constexpr int mine = tileRows / C.split;
  return (((buffer * planOf(C).groupTiles + tile) * C.tokens + token) * mine + output) * C.split + from;
}

/// This thread among those that finish.
template <MatvecConfig C>
__device__ __forceinline__ int finisher() {
  return int(threadIdx.x) - C.consumers();
}

/// Sends this CTA's sums of a tile to those that finish them.
template <MatvecConfig C>
__device__ __forceinline__ void sendToPeers(char *shared, int partialBuffer, int peerBuffer, int tile, u32 rank) {
  constexpr int half = 8 / C.split;
  u32 base = sharedAddress(shared) + planOf(C).peers;
  for (int i = finisher<C>(); i < tileRows * C.tokens; i += C.finishers()) {
    int row = i % tileRows, token = i / tileRows;
    int output = row / 8 * half + row % half;
    u32 target = peerAddress(base, u32(row % 8 / half));
    storePeer(target + peerIndex<C>(peerBuffer, tile, token, output, int(rank)) * 4,
              sumOverWarps<C>(shared, partialBuffer, token, row));
  }
}

/// Sends this CTA's sums of squares to all of the cluster.
template <MatvecConfig C>
__device__ __forceinline__ void sendSquares(char *shared, u32 rank) {
  u32 base = sharedAddress(shared) + planOf(C).peerSquares;
  for (int i = finisher<C>(); i < C.split * C.tokens; i += C.finishers()) {
    int token = i % C.tokens;
    storePeer(peerAddress(base, u32(i / C.tokens)) + (int(rank) * C.tokens + token) * 4,
              sliceSquares<C>(shared, token));
  }
}

/// The whole sum of output `output` of this CTA's share; `buffer` is that of partials, or of peers when split.
template <MatvecConfig C>
__device__ __forceinline__ float wholeSum(const char *shared, int buffer, MatvecEntry entry, int output) {
  if constexpr (C.split == 1) {
    return sumOverWarps<C>(shared, buffer, entry.token, output);
  } else {
    const float *peers = reinterpret_cast<const float *>(shared + planOf(C).peers) +
                         peerIndex<C>(buffer, entry.tile, entry.token, output, 0);
    float sum = 0;
#pragma unroll
    for (int from = 0; from < C.split; ++from)
      sum += peers[from];
    return sum;
  }
}

template <MatvecConfig C>
__device__ __forceinline__ float loadResidual(const MatvecArgs &args, long at) {
  if constexpr (C.out == MatvecOut::F32)
    return loadL2(static_cast<const float *>(args.residual) + at);
  else
    return lowBf16(loadL2(static_cast<const u16 *>(args.residual) + at));
}

/// Finishes one output: sum, factor of the norm, epilogue, store.
template <MatvecConfig C>
__device__ __forceinline__ void finishOutput(const char *shared, const MatvecArgs &args, int buffer, MatvecEntry entry,
                                             long at, float factor, float residual) {
  float v = wholeSum<C>(shared, buffer, entry, entry.output) * factor;
  if constexpr (C.epilogue == MatvecEpilogue::SwiGlu) {
    float up = wholeSum<C>(shared, buffer, entry, entry.output + 8 / C.split) * factor;
    v = v / (1 + __expf(-v)) * up;
  }
  if constexpr (C.epilogue == MatvecEpilogue::Residual)
    v += residual;
  if constexpr (C.out == MatvecOut::F32)
    static_cast<float *>(args.y)[at] = v;
  else
    static_cast<u16 *>(args.y)[at] = toBf16(v);
}

} // namespace sinter::cuda
