// SPDX-License-Identifier: Apache-2.0
// The activations of a matvec on their way to shared memory: the slice of columns that this CTA needs, times the
// weight of the RMSNorm where there is one, and the sums of their squares.
#pragma once
#include "templates/cuda/matvec_work.cuh"

namespace sinter::cuda {

/// Puts this CTA's slice of the norm's weight into shared memory. Before the wait for earlier kernels.
template <MatvecConfig C>
__device__ void stageNorm(char *shared, const MatvecArgs &args, u32 rank) {
  if constexpr (C.norm) {
    constexpr MatvecPlan P = planOf(C);
    MatvecSlice slice = sliceOf<C>(rank);
    u32 target = sharedAddress(shared) + P.norm;
    for (int group = int(threadIdx.x); group < slice.count * 4; group += C.consumers()) {
      int column = slice.first * blockColumns + group * 8;
      storeShared(target + group * 16, column < C.k ? loadConstant(args.normWeight + column) : U32x4{});
    }
    namedBarrier(3, C.consumers());
  }
}

/// x * w for a pair of bfloat16; adds the squares of x.
__device__ __forceinline__ u32 scalePair(u32 x, u32 w, float &squares) {
  float low = lowBf16(x), high = highBf16(x);
  squares += low * low + high * high;
  return toBf16Pair(low * lowBf16(w), high * highBf16(w));
}

/// Loads tokens `first`, `first + step`, ... by the `P.tokenWarps` warps of a team, `lane` among their lanes.
template <MatvecConfig C>
__device__ __forceinline__ void loadTokens(char *shared, const MatvecArgs &args, MatvecSlice slice, int team,
                                           int warpOfTeam) {
  constexpr MatvecPlan P = planOf(C);
  constexpr int lanes = P.tokenWarps * 32, teams = C.warps / P.tokenWarps;
  constexpr int rounds = ceilDiv(P.sliceBlocks * 4, lanes), batch = rounds < 4 ? rounds : 4;
  int lane = warpOfTeam * 32 + int(threadIdx.x % 32), groups = slice.count * 4;
  u32 base = sharedAddress(shared);
  for (int token = team; token < C.tokens; token += teams) {
    const u16 *row = args.x + long(token) * C.k + slice.first * blockColumns;
    int valid = C.k - slice.first * blockColumns;
    float squares = 0;
    for (int round = 0; round < rounds; round += batch) {
      U32x4 v[batch];
#pragma unroll
      for (int i = 0; i < batch; ++i) {
        int group = (round + i) * lanes + lane;
        v[i] = group < groups && group * 8 < valid ? loadVectorL2(row + group * 8) : U32x4{};
      }
#pragma unroll
      for (int i = 0; i < batch; ++i) {
        int group = (round + i) * lanes + lane;
        if (group >= groups)
          continue;
        if constexpr (C.norm) {
          U32x4 w = loadShared(base + P.norm + group * 16);
          v[i] = {scalePair(v[i].x, w.x, squares), scalePair(v[i].y, w.y, squares), scalePair(v[i].z, w.z, squares),
                  scalePair(v[i].w, w.w, squares)};
        }
        storeShared(base + P.activations + token * P.activationStride + group * 16, v[i]);
      }
    }
    if constexpr (C.norm) {
#pragma unroll
      for (int offset = 16; offset; offset /= 2)
        squares += __shfl_xor_sync(~0u, squares, offset);
      if (threadIdx.x % 32 == 0)
        reinterpret_cast<float *>(shared + P.squares)[token * P.tokenWarps + warpOfTeam] = squares;
    }
  }
}

/// All tokens, by the consumers; activationsReady() has to follow.
template <MatvecConfig C>
__device__ __forceinline__ void loadActivations(char *shared, const MatvecArgs &args, u32 rank) {
  constexpr int tokenWarps = planOf(C).tokenWarps;
  int warp = int(threadIdx.x / 32);
  loadTokens<C>(shared, args, sliceOf<C>(rank), warp / tokenWarps, warp % tokenWarps);
}

/// The sum of squares of a token over this CTA's slice.
template <MatvecConfig C>
__device__ __forceinline__ float sliceSquares(const char *shared, int token) {
  constexpr MatvecPlan P = planOf(C);
  const float *squares = reinterpret_cast<const float *>(shared + P.squares) + token * P.tokenWarps;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < P.tokenWarps; ++i)
    sum += squares[i];
  return sum;
}

/// The factor of RMSNorm for a token, once every CTA of the cluster has sent its squares.
template <MatvecConfig C>
__device__ __forceinline__ float normFactor(const char *shared, int token) {
  constexpr MatvecPlan P = planOf(C);
  float sum = 0;
  if constexpr (C.split == 1)
    sum = sliceSquares<C>(shared, token);
  else
    for (int rank = 0; rank < C.split; ++rank)
      sum += reinterpret_cast<const float *>(shared + P.peerSquares)[rank * C.tokens + token];
  return rsqrtf(sum / C.k + C.eps);
}

} // namespace sinter::cuda
