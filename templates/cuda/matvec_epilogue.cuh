// SPDX-License-Identifier: Apache-2.0
// From partial sums to y, in pieces that matvec_finish.cuh puts together. Each consuming warp of each CTA of a cluster
// holds a part of every output of a tile; they meet in shared memory, in the order of warps, then of CTAs. CTA r of a
// cluster of s finishes rows [r, r + 1) * 8 / s of both halves of each tile, so that gate and up of one output stay
// together.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/matmul_args.cuh"
#include "templates/cuda/matvec_activations.cuh"
#include "templates/cuda/ptx/cluster.cuh"
#include "templates/cuda/ptx/memory.cuh"

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

/// Where the sums of warp `warp` for row `row` of a tile begin, in floats: [buffer][warp][token][row][part].
template <MatvecConfig C>
__device__ __forceinline__ int partialIndex(int buffer, int warp, int token, int row) {
  constexpr MatvecPlan P = planOf(C);
  return ((buffer * C.warps + warp) * C.tokens + token) * P.partialStride + row * P.parts;
}

/// The one of `values` that the tokens of this lane's columns went to.
template <int Parts>
__device__ __forceinline__ float ownPart(float a, float b, float c, float d) {
  int part = int(threadIdx.x % 4) * Parts / 4;
  if constexpr (Parts == 1)
    return a;
  if constexpr (Parts == 2)
    return part ? b : a;
  return part < 2 ? (part ? b : a) : (part == 2 ? c : d);
}

/// A warp's accumulators of a tile to shared memory.
template <MatvecConfig C, typename Sums>
__device__ __forceinline__ void storePartials(char *shared, int buffer, const Sums &sums) {
  constexpr MatvecPlan P = planOf(C);
  constexpr int last = Sums::count - 1;
  int warp = int(threadIdx.x / 32), g = int(threadIdx.x % 32 / 4), j = int(threadIdx.x % 4);
  int part = 2 * j / P.tokenGroup;
  float *partials = reinterpret_cast<float *>(shared + P.partials);
#pragma unroll
  for (int column = 0; column < Sums::columns; ++column)
#pragma unroll
    for (int odd = 0; odd < 2; ++odd) {
      int token = column * 8 + 2 * j % P.tokenGroup + odd;
      if (token >= C.tokens)
        continue;
#pragma unroll
      for (int half = 0; half < 2; ++half)
        partials[partialIndex<C>(buffer, warp, token, g + 8 * half) + part] =
            ownPart<P.parts>(sums.part[0][column][2 * half + odd], sums.part[1][column][2 * half + odd],
                             sums.part[last - 1][column][2 * half + odd], sums.part[last][column][2 * half + odd]);
    }
}

/// The sum of a row over the parts of one warp.
template <MatvecConfig C>
__device__ __forceinline__ float sumOverParts(const float *partials) {
  constexpr int parts = planOf(C).parts;
  if constexpr (parts == 1)
    return *partials;
  if constexpr (parts == 2) {
    float2 v = *reinterpret_cast<const float2 *>(partials);
    return v.x + v.y;
  }
  float4 v = *reinterpret_cast<const float4 *>(partials);
  return (v.x + v.y) + (v.z + v.w);
}

template <MatvecConfig C>
__device__ __forceinline__ float sumOverWarps(const char *shared, int buffer, int token, int row) {
  const float *partials = reinterpret_cast<const float *>(shared + planOf(C).partials);
  float sum = 0;
#pragma unroll
  for (int warp = 0; warp < C.warps; ++warp)
    sum += sumOverParts<C>(partials + partialIndex<C>(buffer, warp, token, row));
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

/// Sends this CTA's sums of a tile to those that finish them, where they count towards `gathered`.
template <MatvecConfig C>
__device__ __forceinline__ void sendToPeers(char *shared, u32 gathered, int partialBuffer, int peerBuffer, int tile,
                                            u32 rank) {
  constexpr int half = 8 / C.split;
  u32 base = sharedAddress(shared) + planOf(C).peers;
  for (int i = finisher<C>(); i < tileRows * C.tokens; i += C.finishers()) {
    int row = i % tileRows, token = i / tileRows, output = row / 8 * half + row % half;
    u32 peer = u32(row % 8 / half);
    storePeerAsync(peerAddress(base, peer) + peerIndex<C>(peerBuffer, tile, token, output, int(rank)) * 4,
                   sumOverWarps<C>(shared, partialBuffer, token, row), peerAddress(gathered, peer));
  }
}

/// Sends this CTA's sums of squares to all of the cluster.
template <MatvecConfig C>
__device__ __forceinline__ void sendSquares(char *shared, u32 gathered, u32 rank) {
  u32 base = sharedAddress(shared) + planOf(C).peerSquares;
  for (int i = finisher<C>(); i < C.split * C.tokens; i += C.finishers()) {
    int token = i % C.tokens;
    u32 peer = u32(i / C.tokens);
    storePeerAsync(peerAddress(base, peer) + (int(rank) * C.tokens + token) * 4, sliceSquares<C>(shared, token),
                   peerAddress(gathered, peer));
  }
}

/// What all of the cluster send to one CTA for a group of `tiles` tiles.
template <MatvecConfig C>
__device__ __forceinline__ u32 gatheredBytes(int tiles, bool squares) {
  return (tiles * tileRows * C.tokens + (squares ? C.split * C.tokens : 0)) * 4;
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
__device__ __forceinline__ float loadResidual(const MatmulArgs &args, long at) {
  if constexpr (C.out == Out::F32)
    return loadL2(static_cast<const float *>(args.residual) + at);
  else
    return lowBf16(loadL2(static_cast<const u16 *>(args.residual) + at));
}

/// What is added to one output's sum: its bias; `other`: the up projection's bias, or the residual.
struct MatvecAddends {
  float bias = 0, other = 0;
};

template <MatvecConfig C>
__device__ __forceinline__ MatvecAddends loadAddends(const MatmulArgs &args, int column, long at) {
  MatvecAddends a;
  if constexpr (C.bias)
    a.bias = loadConstant(args.bias + column);
  if constexpr (C.bias && C.gated())
    a.other = loadConstant(args.upBias + column);
  if constexpr (C.epilogue == Epilogue::Residual)
    a.other = loadResidual<C>(args, at);
  return a;
}

/// Finishes one output: sum, factor of the norm, epilogue, store.
template <MatvecConfig C>
__device__ __forceinline__ void finishOutput(const char *shared, const MatmulArgs &args, int buffer, MatvecEntry entry,
                                             long at, float factor, MatvecAddends addends) {
  float v = wholeSum<C>(shared, buffer, entry, entry.output) * factor + addends.bias;
  if constexpr (C.gated()) {
    float up = wholeSum<C>(shared, buffer, entry, entry.output + 8 / C.split) * factor + addends.other;
    v = silu(v) * up;
  }
  if constexpr (C.epilogue == Epilogue::Residual)
    v += addends.other;
  if constexpr (C.out == Out::F32)
    static_cast<float *>(args.y)[at] = v;
  else
    static_cast<u16 *>(args.y)[at] = toBf16(v);
}

} // namespace sinter::cuda
