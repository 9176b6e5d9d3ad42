// SPDX-License-Identifier: Apache-2.0
// Tiles whose columns the CTAs of a cluster share. Every warpgroup adds up and finishes a few pieces of the tile,
// always in the order of the columns: the same input gives the same bits. A CTA's sums are either pushed to who
// finishes them, into stages of the ring that are done with while others are still filled; or left in its own shared
// memory, in place of the whole ring, to be fetched from there after a barrier of the cluster.
#pragma once
#include "templates/cuda/math.cuh"
#include "templates/cuda/matmul_epilogue.cuh"
#include "templates/cuda/matmul_load.cuh"
#include "templates/cuda/matmul_norm.cuh"
#include "templates/cuda/matmul_schedule.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/cluster.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/memory.cuh"

namespace sinter::cuda {

template <MatmulConfig C>
struct MatmulSplit {
  u32 sums; ///< address of [64 rows of the weight][group of 8 tokens][thread][4] floats
  u32 rank;

  static constexpr int groups = C.tileTokens / 8, bands = C.warpgroups() * C.bands,
                       pieces = bands * C.tileTokens / C.pieceTokens;

  __device__ __forceinline__ u32 addressOf(int band, int group) const {
    return sums + u32(((band * groups + group) * 128 + MatmulOutput<C>::thread()) * 16);
  }
  /// The pieces of this warpgroup are this one and every (warpgroups split)th after it; -1: no more.
  __device__ __forceinline__ int pieceOf(int half, int i) const {
    int piece = int(rank) * C.warpgroups() + half + i * C.warpgroups() * C.split;
    return piece < pieces ? piece : -1;
  }
  __device__ __forceinline__ static int tokenOf(int piece) { return piece / bands * C.pieceTokens; }
  __device__ __forceinline__ static int rowOf(int piece) { return piece % bands * 64; }
  __device__ __forceinline__ static u32 stagedAt(const MatmulOutput<C> &output, int i) {
    return output.staging + u32(i * C.pieceTokens * C.outRows() * 2);
  }

  /// Asks for the residuals of this warpgroup's pieces.
  __device__ __forceinline__ void start(MatmulOutput<C> &output, int firstRow, int firstToken, int half) const {
    if constexpr (C.out == Out::Bf16 && C.epilogue == Epilogue::Residual) {
#pragma unroll
      for (int i = 0; i < C.ownPieces(); ++i)
        if (int piece = pieceOf(half, i); piece >= 0) {
          output.moveTo(firstRow + rowOf(piece));
          output.template fetchResidual<C.pieceTokens>(firstToken + tokenOf(piece), stagedAt(output, i));
        }
    }
  }

  /// Leaves this warpgroup's sums for the cluster. Both of this CTA must be done with the ring.
  __device__ __forceinline__ void leave(const float (&d)[C.bands][groups][4], int half) const {
    namedBarrier(1 + C.warpgroups(), C.consumers());
#pragma unroll
    for (int b = 0; b < C.bands; ++b)
#pragma unroll
      for (int i = 0; i < groups; ++i)
        storeShared(addressOf(half * C.bands + b, i), toWords(d[b][i][0], d[b][i][1], d[b][i][2], d[b][i][3]));
  }

  /// By one thread, before a barrierInitFence() and a barrier of the CTA.
  __device__ void init() const {
    constexpr int each = C.warpgroups() * C.split;
    for (int i = 0; i < C.warpgroups(); ++i) {
      int first = pieceOf(i, 0), own = first < 0 ? 0 : (pieces - first + each - 1) / each;
      u32 barrier = MatmulRing<C>(sums).pushed(i);
      barrierInit(barrier, 1);
      barrierArriveExpect(barrier, own * C.split * C.pieceBytes);
    }
  }

  /// Where the sums of warpgroup `half`'s piece number `i` are pushed to by CTA `from`.
  __device__ __forceinline__ u32 pushedAt(int half, int i, int from, int group) const {
    int place = ((half * C.ownPieces() + i) * C.split + from) * 2 + group;
    return sums + u32(C.pushStage() * C.stageBytes() + (place * 128 + MatmulOutput<C>::thread()) * 16);
  }

  /// Pushes this warpgroup's sums to those that finish them, all of whom are done with the stages for it.
  __device__ __forceinline__ void push(const float (&d)[C.bands][groups][4], int half) const {
    constexpr int each = C.warpgroups() * C.split;
#pragma unroll
    for (int b = 0; b < C.bands; ++b)
#pragma unroll
      for (int i = 0; i < groups; ++i) {
        int piece = i / 2 * bands + half * C.bands + b, owner = piece % each, to = owner / C.warpgroups();
        int warpgroup = owner % C.warpgroups();
        storePeerAsync(peerAddress(pushedAt(warpgroup, piece / each, int(rank), i % 2), u32(to)),
                       toWords(d[b][i][0], d[b][i][1], d[b][i][2], d[b][i][3]),
                       peerAddress(MatmulRing<C>(sums).pushed(warpgroup), u32(to)));
      }
  }

  /// What CTA `from` has of this warpgroup's piece number `i`.
  __device__ __forceinline__ U32x4 partOf(int half, int i, int from, int group) const {
    if constexpr (C.push)
      return loadShared(pushedAt(half, i, from, group));
    int piece = pieceOf(half, i);
    return loadPeer(peerAddress(addressOf(piece % bands, piece / bands * 2 + group), u32(from)));
  }

  /// A piece's sums over the cluster.
  __device__ __forceinline__ void addUp(float (&d)[2][4], int half, int index) const {
    U32x4 parts[C.split][2];
#pragma unroll
    for (int from = 0; from < C.split; ++from)
#pragma unroll
      for (int i = 0; i < 2; ++i)
        parts[from][i] = partOf(half, index, from, i);
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e)
        d[i][e] = 0;
#pragma unroll
    for (int from = 0; from < C.split; ++from)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        d[i][0] += __uint_as_float(parts[from][i].x);
        d[i][1] += __uint_as_float(parts[from][i].y);
        d[i][2] += __uint_as_float(parts[from][i].z);
        d[i][3] += __uint_as_float(parts[from][i].w);
      }
  }

  /// Once this warpgroup's sums are pushed, or all of the cluster have left theirs.
  __device__ __forceinline__ void finish(MatmulOutput<C> &output, MatmulFactors<C> &factors, int firstRow,
                                         int firstToken, int half) const {
    if constexpr (C.push)
      barrierWait(MatmulRing<C>(sums).pushed(half), 0);
    float d[C.ownPieces()][2][4];
#pragma unroll
    for (int i = 0; i < C.ownPieces(); ++i)
      if (pieceOf(half, i) >= 0)
        addUp(d[i], half, i);
    if constexpr (C.norm) {
      factors.await();
#pragma unroll
      for (int i = 0; i < C.ownPieces(); ++i)
        if (int piece = pieceOf(half, i); piece >= 0)
          factors.apply(d[i], tokenOf(piece));
    }
    if constexpr (C.out == Out::Bf16)
      asyncCopyWait();
    output.sync();
#pragma unroll
    for (int i = 0; i < C.ownPieces(); ++i)
      if (int piece = pieceOf(half, i); piece >= 0) {
        output.moveTo(firstRow + rowOf(piece));
        output.finishPiece(d[i], firstToken + tokenOf(piece), stagedAt(output, i));
      }
    if constexpr (!C.push)
      clusterArriveRelaxed();
  }
};

} // namespace sinter::cuda
