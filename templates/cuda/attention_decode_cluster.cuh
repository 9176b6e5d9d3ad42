// SPDX-License-Identifier: Apache-2.0
// Decode attention of few sequences: the CTAs of a cluster share the blocks of one head of one sequence, and meet in
// shared memory, each to merge heads of the group.
#pragma once
#include "templates/cuda/attention_decode_merge.cuh"
#include "templates/cuda/attention_decode_unit.cuh"
#include "templates/cuda/layout.h"
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/cluster.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/ring.cuh"
#include "templates/cuda/step_counts.cuh"

namespace sinter::cuda {

/// Tokens of the cluster's sequence; 0: it is not for this kernel.
template <AttentionDecodeConfig C>
__device__ __forceinline__ int clusterLength(const rt::CudaStep &step, int sequence) {
  bool one = C.fused && C.maxSequences == 1;
  if (!one && sequence >= sequenceCount(step))
    return 0;
  if (!C.fused && queryLength(step, sequence) != 1)
    return 0;
  return loadL2(step.contextLengths + sequence);
}

/// Where a CTA finds what CTA `rank` has of the i-th head that it merges.
template <AttentionDecodeConfig C>
__device__ __forceinline__ u32 peerRow(u32 base, int rank, int i) {
  return base + C.peersAt() + (rank * C.ownHeads() + i) * C.peerStride() * 4;
}

/// Makes the barrier at which a CTA waits for the rows it merges. By one thread, before the cluster's first barrier.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void expectRows(u32 base, int rank) {
  int own = rank < C.group() ? ceilDiv(C.group() - rank, C.split) : 0;
  barrierInit(base + C.gatheredAt(), 1);
  barrierInitFence();
  barrierArriveExpect(base + C.gatheredAt(), own * C.split * (C.headDim * 4 + 8));
}

/// Hands a head of the group to the CTA that merges it.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void sendRow(u32 base, int head, const DecodeRow<C> &row) {
  u32 target = peerAddress(peerRow<C>(base, int(clusterRank()), head / C.split), head % C.split);
  u32 barrier = peerAddress(base + C.gatheredAt(), head % C.split), lane = threadIdx.x % 32;
  if constexpr (DecodeRow<C>::width == 4)
    storePeerAsync(target + lane * 16, toWords(row.out[0], row.out[1], row.out[2], row.out[3]), barrier);
  else
    storePeerAsync(target + lane * 8, toWords(row.out[0], row.out[1]), barrier);
  if (lane == 0)
    storePeerAsync(target + C.headDim * 4, toWords(row.max, row.sum), barrier);
}

/// Merges the CTA's i-th head over the cluster.
template <AttentionDecodeConfig C>
__device__ __forceinline__ DecodeRow<C> mergePeers(const char *shared, int i) {
  constexpr int stride = C.ownHeads() * C.peerStride();
  const float *rows = reinterpret_cast<const float *>(shared + C.peersAt()) + i * C.peerStride();
  DecodeRow<C> row;
#pragma unroll
  for (int rank = 0; rank < C.split; ++rank)
    row.max = fmaxf(row.max, rows[rank * stride + C.headDim]);
#pragma unroll
  for (int rank = 0; rank < C.split; ++rank) {
    float weight = exp2Approx(rows[rank * stride + C.headDim] - row.max);
    row.sum += weight * rows[rank * stride + C.headDim + 1];
#pragma unroll
    for (int j = 0; j < DecodeRow<C>::width; ++j)
      row.out[j] += weight * rows[rank * stride + threadIdx.x % 32 * DecodeRow<C>::width + j];
  }
  return row;
}

/// Merges what the warps of a CTA have found, sends it to who merges on, and merges and writes this CTA's heads.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void finishCluster(const DecodeState<C> &state, char *shared, u16 *out, bool empty) {
  int warp = int(threadIdx.x) / 32;
  clusterWait(); // every CTA has started, and can be written to
#pragma unroll
  for (int part = 0; part < DecodeQuery<C>::eights; ++part) {
    __syncthreads(); // what was there before has been read
    shareState<C>(state, part, shared);
    __syncthreads();
    for (int i = warp; i < 8 && part * 8 + i < C.group(); i += C.warps)
      sendRow<C>(sharedAddress(shared), part * 8 + i, empty ? DecodeRow<C>{} : mergeWarps<C>(shared, i));
  }
  int head = int(clusterRank()) + warp * C.split;
  if (head >= C.group())
    return;
  barrierWaitCluster(sharedAddress(shared) + C.gatheredAt(), 0);
  storeRow<C>(out + head * C.headDim, mergePeers<C>(shared, warp));
}

/// The whole kernel, for one head of keys of one sequence a cluster.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void attendCluster(const rt::CudaStep &step, const rt::CudaArgs<N> &args, char *shared,
                                              DecodeRing<C> &ring, DecodeUnit *looked) {
  int pair = int(blockIdx.x) / C.split, sequence = pair / C.kvHeads, rank = int(clusterRank());
  int length = clusterLength<C>(step, sequence), blocks = ceilDiv(length, kvBlockTokens);
  if (blocks == 0) {
    if (blockIdx.x == 0)
      waitForPrerequisites(); // whoever waits for this kernel waits for those before it
    return;
  }
  if (threadIdx.x == 0)
    expectRows<C>(sharedAddress(shared), rank);
  __syncwarp();
  clusterArrive();
  DecodeShares shares{C.split, blocks / C.split, blocks % C.split};
  DecodeUnits<C> units{step, nullptr, looked, shares.begin(rank), shares.count(rank)};
  if constexpr (!C.fused)
    waitForPrerequisites();
  DecodeState<C> state;
  DecodeQuery<C> query;
  DecodeToken token{};
  DecodeFactors factors;
  if (units.count > 0) {
    startUnits<C>(units, ring);
    loadNorms<C>(factors, args);
    loadAngles<C>(factors, args, units.at(0));
  }
  if constexpr (C.fused)
    waitForPrerequisites();
  if (units.count > 0)
    beginHead<C>(query, token, factors, step, args, shared, units.at(0), units.count);
  state.clear();
  for (int i = 0; i < units.count; ++i)
    attendUnit<C>(state, query, token, units, ring, i);
  int row = C.fused ? sequence : loadL2(step.queryStart + sequence);
  u16 *out = args.template get<u16>(5) + ((long long)row * C.heads + pair % C.kvHeads * C.group()) * C.headDim;
  finishCluster<C>(state, shared, out, units.count == 0);
}

} // namespace sinter::cuda
