// SPDX-License-Identifier: Apache-2.0
// The activations of a matvec on their way to shared memory: the slice of columns that this CTA needs, times the
// weight of the RMSNorm where one is given, and the sums of their squares.
//
// A warp consumes the same blocks of every tile, so it fetches and scales their columns itself and waits for no other
// warp; and it begins with the first columns while the last are on their way.
#pragma once
#include "templates/cuda/bf16.cuh"
#include "templates/cuda/layout.h"
#include "templates/cuda/math.cuh"
#include "templates/cuda/matmul_args.cuh"
#include "templates/cuda/matvec_work.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/shares.cuh"

namespace sinter::cuda {

/// One of the blocks that are this warp's, in the order in which it consumes them: of the slice; -1: the slice is
/// shorter.
template <MatvecConfig C>
__device__ __forceinline__ int ownBlock(Share slice, int item) {
  constexpr MatvecPlan P = planOf(C);
  int first = item / P.warpBlocks * P.chunkBlocks;
  int block = item % P.warpBlocks * C.warps + int(threadIdx.x / 32);
  return block < chunkBlocks<C>(slice, first) ? first + block : -1;
}

/// Where the weights of the norm for piece `piece`, 8 columns, of the slice lie: the first or the second four.
template <MatvecConfig C>
__device__ __forceinline__ u32 normAddress(u32 shared, int piece, int half) {
  constexpr MatvecPlan P = planOf(C);
  return shared + P.norm + (half * P.sliceBlocks * 8 + piece) * 16;
}

/// Puts the norm's weight for this warp's blocks into shared memory. Before the wait for earlier kernels. Not by
/// asynchronous copies: with those, an operation takes 2.5 us longer.
template <MatvecConfig C>
__device__ __forceinline__ void stageNorm(u32 shared, const MatmulArgs &args, Share slice) {
  constexpr MatvecPlan P = planOf(C);
  int quad = int(threadIdx.x % 16);
#pragma unroll 4
  for (int item = int(threadIdx.x % 32 / 16); item < P.chunksPerTile * P.warpBlocks; item += 2)
    if (int block = ownBlock<C>(slice, item); block >= 0) {
      int column = (slice.first + block) * blockColumns + quad * 4;
      bool inside = column < C.k;
      storeShared(normAddress<C>(shared, block * 8 + quad / 2, quad % 2),
                  inside ? loadConstantX4(args.normWeight + column) : U32x4{});
    }
}

/// Where piece `piece` of the slice lies for a token: as in the atoms of layout.h, so that eight tokens' pieces meet no
/// bank twice, and neither do eight pieces of a token.
template <MatvecConfig C>
__device__ __forceinline__ u32 activationAddress(u32 shared, int token, int piece) {
  constexpr MatvecPlan P = planOf(C);
  return shared + P.activations + token * P.activationStride + (piece ^ token % 8) * 16;
}

/// The activations of a warp: pieces of 16 bytes, spread over its lanes as [blocks at once][token][8 pieces].
template <MatvecConfig C>
struct WarpActivations {
  static constexpr int atOnce = C.tokens < 4 ? 4 / C.tokens : 1; ///< blocks
  static constexpr int pieces = atOnce * C.tokens * 8, rounds = ceilDiv(pieces, 32);

  u32 shared;
  Share slice;
  float squares[rounds] = {}; ///< of this lane's pieces of a round, all of one token

  __device__ __forceinline__ static int token(int round) { return (round * 32 + int(threadIdx.x % 32)) / 8 % C.tokens; }

  /// Calls `each(round, token, piece of the slice, where it lies)` for this lane's pieces of `items`.
  template <typename F>
  __device__ __forceinline__ void each(int begin, int end, F f) const {
#pragma unroll 2
    for (int item = begin; item < end; item += atOnce)
#pragma unroll
      for (int round = 0; round < rounds; ++round) {
        int index = round * 32 + int(threadIdx.x % 32), own = item + index / (C.tokens * 8);
        int block = index < pieces && own < end ? ownBlock<C>(slice, own) : -1;
        int piece = block * 8 + index % 8;
        if (block >= 0)
          f(round, token(round), piece, activationAddress<C>(shared, token(round), piece));
      }
  }

  /// Asks for those of the chunks [begin, end); columns past k become zeros.
  __device__ __forceinline__ void fetch(const u16 *x, int begin, int end) const {
    each(begin * planOf(C).warpBlocks, end * planOf(C).warpBlocks, [&](int, int token, int piece, u32 target) {
      int column = slice.first * blockColumns + piece * 8;
      bool inside = column < C.k;
      asyncCopy(target, x + long(token) * C.k + (inside ? column : 0), inside ? 16 : 0);
    });
  }

  /// Applies the norm's weight to those of the chunks [begin, end), and adds their squares.
  __device__ __forceinline__ void scale(int begin, int end) {
    each(begin * planOf(C).warpBlocks, end * planOf(C).warpBlocks, [&](int round, int, int piece, u32 at) {
      U32x4 x = loadShared(at);
      U32x4 w = loadShared(normAddress<C>(shared, piece, 0)), v = loadShared(normAddress<C>(shared, piece, 1));
      float sum = 0;
      storeShared(at, U32x4{scalePair(x.x, w.x, w.y, sum), scalePair(x.y, w.z, w.w, sum), scalePair(x.z, v.x, v.y, sum),
                            scalePair(x.w, v.z, v.w, sum)});
      squares[round] += sum;
    });
  }

  /// Leaves the sums of squares of this warp's blocks in `target` [token][warp].
  __device__ __forceinline__ void storeSquares(float *target) const {
    int lane = int(threadIdx.x % 32);
#pragma unroll
    for (int round = 0; round < rounds; ++round) {
      float sum = squares[round];
#pragma unroll
      for (int offset = 1; offset < 32; offset *= 2)
        if (offset < 8 || (atOnce > 1 && offset >= C.tokens * 8))
          sum += __shfl_xor_sync(~0u, sum, offset);
      if (lane % 8 == 0 && round * 32 + lane < C.tokens * 8)
        target[token(round) * C.warps + int(threadIdx.x / 32)] = sum;
    }
  }

  /// Asks for all of them, in the order in which they are needed, in groups of the chunks of a stage.
  __device__ __forceinline__ void fetchAll(const u16 *x) const {
    if constexpr (C.tokens < 4) {
      fetch(x, 0, planOf(C).chunksPerTile);
      asyncCopyCommit();
    } else {
      fetchMany(x);
    }
  }

  /// Makes those of the chunks from `chunk` on ready, a stage; returns the chunk that follows them.
  __device__ __forceinline__ int makeReady(int chunk, float *squaresTarget) {
    constexpr MatvecPlan P = planOf(C);
    awaitCopies<P.stages - 1>(P.stages - 1 - chunk / P.stageChunks);
    int end = chunk + P.stageChunks < P.chunksPerTile ? chunk + P.stageChunks : P.chunksPerTile;
    if constexpr (C.normWeight) {
      __syncwarp(); // the norm's weight is fetched by other lanes
      scale(chunk, end);
      if (end == P.chunksPerTile)
        storeSquares(squaresTarget);
    }
    __syncwarp();
    return end;
  }

private:
  /// All but the latest `pending` groups of this thread's copies are there; at most `Most`.
  template <int Most>
  __device__ static __forceinline__ void awaitCopies(int pending) {
    if constexpr (Most > 0) {
      if (pending < Most) {
        awaitCopies<Most - 1>(pending);
        return;
      }
    }
    asyncCopyWaitGroup<Most>();
  }

  /// From 4 tokens on a round is four tokens' of a block, and all of a lane's pieces lie at fixed distances: what comes
  /// between the end of the kernel before and these copies is time that memory idles.
  __device__ __forceinline__ void fetchMany(const u16 *x) const {
    constexpr MatvecPlan P = planOf(C);
    int token = int(threadIdx.x % 32 / 8), first = int(threadIdx.x / 32) * 8 + int(threadIdx.x % 8); // piece
    int column = slice.first * blockColumns + first * 8;
    const u16 *from = x + long(token) * C.k + column;
    u32 to = activationAddress<C>(shared, token, first),
        next = to ^ 4 * 16; // of every second round: token % 8 is 4 more
#pragma unroll 1
    for (int chunk = 0; chunk < P.chunksPerTile; ++chunk) {
      int blocks = chunkBlocks<C>(slice, chunk * P.chunkBlocks) - int(threadIdx.x / 32);
#pragma unroll
      for (int i = 0; i < P.warpBlocks; ++i)
        if (i * C.warps < blocks)
          fetchBlock(from, to, next, (chunk * P.chunkBlocks + i * C.warps) * blockColumns, x, column, token);
      if ((chunk + 1) % P.stageChunks == 0)
        asyncCopyCommit();
    }
    for (int stage = P.chunksPerTile / P.stageChunks; stage < P.stages; ++stage)
      asyncCopyCommit();
  }

  /// A lane's pieces of the block `skip` columns behind its first one.
  __device__ __forceinline__ void fetchBlock(const u16 *from, u32 to, u32 next, int skip, const u16 *x, int column,
                                             int token) const {
#pragma unroll
    for (int round = 0; round < ceilDiv(C.tokens, 4); ++round) {
      bool inside = C.k % blockColumns == 0 || column + skip < C.k;
      if (C.tokens % 4 == 0 || round * 4 + token < C.tokens)
        asyncCopy((round % 2 ? next : to) + round * 4 * planOf(C).activationStride + skip * 2,
                  inside ? from + long(round) * 4 * C.k + skip : x, inside ? 16 : 0);
    }
  }

  /// x * w for a pair of bfloat16; adds the squares of x.
  __device__ static __forceinline__ u32 scalePair(u32 x, u32 w0, u32 w1, float &squares) {
    squares += squaresOf(x);
    return toBf16Pair(lowBf16(x) * __uint_as_float(w0), highBf16(x) * __uint_as_float(w1));
  }
};

/// The sums of squares of activations that nothing was applied to, by the warps that finish: while others consume.
template <MatvecConfig C>
__device__ void sumSquares(char *shared, Share slice) {
  constexpr int parts = planOf(C).squareParts;
  int thread = int(threadIdx.x) - C.consumers();
  for (int token = thread / 32 / parts; token < C.tokens; token += C.finishWarps / parts) {
    float sum = 0;
    for (int piece = thread % (parts * 32); piece < slice.count * 8; piece += parts * 32) {
      U32x4 x = loadShared(activationAddress<C>(sharedAddress(shared), token, piece));
      sum += squaresOf(x);
    }
#pragma unroll
    for (int offset = 1; offset < 32; offset *= 2)
      sum += __shfl_xor_sync(~0u, sum, offset);
    if (thread % 32 == 0)
      reinterpret_cast<float *>(shared + planOf(C).squares)[token * parts + thread / 32 % parts] = sum;
  }
}

/// The sum of squares of a token over this CTA's slice.
template <MatvecConfig C>
__device__ __forceinline__ float sliceSquares(const char *shared, int token) {
  const float *squares = reinterpret_cast<const float *>(shared + planOf(C).squares) + token * planOf(C).squareParts;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < planOf(C).squareParts; ++i)
    sum += squares[i];
  return sum;
}

/// The factor of RMSNorm for a token, once every CTA of the cluster has sent its squares.
template <MatvecConfig C>
__device__ __forceinline__ float tokenFactor(const char *shared, int token) {
  constexpr MatvecPlan P = planOf(C);
  float sum = 0;
  if constexpr (C.split == 1)
    sum = sliceSquares<C>(shared, token);
  else
    for (int rank = 0; rank < C.split; ++rank)
      sum += reinterpret_cast<const float *>(shared + P.peerSquares)[rank * C.tokens + token];
  return normFactor(sum, C.k, C.eps);
}

} // namespace sinter::cuda
