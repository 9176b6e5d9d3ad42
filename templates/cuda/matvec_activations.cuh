// SPDX-License-Identifier: Apache-2.0
// The activations of a matvec on their way to shared memory: the slice of columns that this CTA needs, times the
// weight of the RMSNorm where there is one, and the sums of their squares.
#pragma once
#include "templates/cuda/matvec_work.cuh"

namespace sinter::cuda {

/// Where the weights of the norm for piece `piece`, 8 columns, of the slice lie: the first or the second four.
template <MatvecConfig C>
__device__ __forceinline__ u32 normAddress(u32 shared, int piece, int half) {
  constexpr MatvecPlan P = planOf(C);
  return shared + P.norm + (half * P.sliceBlocks * 8 + piece) * 16;
}

/// Puts this CTA's slice of the norm's weight into shared memory. Before the wait for earlier kernels.
template <MatvecConfig C>
__device__ void stageNorm(char *shared, const MatvecArgs &args, u32 rank) {
  if constexpr (C.norm) {
    MatvecSlice slice = sliceOf<C>(rank);
    for (int quad = int(threadIdx.x); quad < slice.count * 16; quad += C.consumers()) {
      int column = slice.first * blockColumns + quad * 4;
      storeShared(normAddress<C>(sharedAddress(shared), quad / 2, quad % 2),
                  column < C.k ? loadConstant(args.normWeight + column) : U32x4{});
    }
    namedBarrier(3, C.consumers());
  }
}

/// x * w for a pair of bfloat16; adds the squares of x.
__device__ __forceinline__ u32 scalePair(u32 x, u32 w0, u32 w1, float &squares) {
  float low = lowBf16(x), high = highBf16(x);
  squares += low * low + high * high;
  return toBf16Pair(low * __uint_as_float(w0), high * __uint_as_float(w1));
}

/// The pieces of 16 bytes of the activations that a thread fetches and, with a norm, scales: tokens of its team of
/// `P.tokenWarps` warps, and of each the pieces that its lanes take in turn.
template <MatvecConfig C, typename F>
__device__ __forceinline__ void eachPiece(MatvecSlice slice, F each) {
  constexpr MatvecPlan P = planOf(C);
  constexpr int lanes = P.tokenWarps * 32;
  int lane = int(threadIdx.x) % lanes;
#pragma unroll
  for (int round = 0; round < ceilDiv(P.sliceBlocks * 8, lanes); ++round)
    if (int piece = round * lanes + lane; piece < slice.count * 8)
      each(piece);
}

/// Asks for this thread's pieces, all at once; columns past k become zeros.
template <MatvecConfig C>
__device__ __forceinline__ void fetchActivations(u32 target, const MatvecArgs &args, MatvecSlice slice) {
  constexpr MatvecPlan P = planOf(C);
  int first = slice.first * blockColumns;
  for (int token = int(threadIdx.x / 32) / P.tokenWarps; token < C.tokens; token += C.warps / P.tokenWarps)
    eachPiece<C>(slice, [&](int piece) {
      int column = first + piece * 8;
      bool inside = column < C.k;
      asyncCopy(target + token * P.activationStride + piece * 16, args.x + long(token) * C.k + (inside ? column : 0),
                inside ? 16 : 0);
    });
  asyncCopyWait();
}

/// Applies the norm's weight to this thread's pieces, and sums their squares.
template <MatvecConfig C>
__device__ __forceinline__ void scaleActivations(char *shared, MatvecSlice slice) {
  constexpr MatvecPlan P = planOf(C);
  u32 base = sharedAddress(shared);
  for (int token = int(threadIdx.x / 32) / P.tokenWarps; token < C.tokens; token += C.warps / P.tokenWarps) {
    float squares = 0;
    eachPiece<C>(slice, [&](int piece) {
      u32 at = base + P.activations + token * P.activationStride + piece * 16;
      U32x4 x = loadShared(at);
      U32x4 w = loadShared(normAddress<C>(base, piece, 0)), v = loadShared(normAddress<C>(base, piece, 1));
      storeShared(at, {scalePair(x.x, w.x, w.y, squares), scalePair(x.y, w.z, w.w, squares),
                       scalePair(x.z, v.x, v.y, squares), scalePair(x.w, v.z, v.w, squares)});
    });
#pragma unroll
    for (int offset = 16; offset; offset /= 2)
      squares += __shfl_xor_sync(~0u, squares, offset);
    if (threadIdx.x % 32 == 0)
      reinterpret_cast<float *>(shared + P.squares)[token * P.tokenWarps + threadIdx.x / 32 % P.tokenWarps] = squares;
  }
}

/// All tokens, by the consumers; activationsReady() has to follow.
template <MatvecConfig C>
__device__ __forceinline__ void loadActivations(char *shared, const MatvecArgs &args, u32 rank) {
  MatvecSlice slice = sliceOf<C>(rank);
  fetchActivations<C>(sharedAddress(shared) + planOf(C).activations, args, slice);
  if constexpr (C.norm)
    scaleActivations<C>(shared, slice);
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
