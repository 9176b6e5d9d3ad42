// SPDX-License-Identifier: Apache-2.0
// Prefill attention for every architecture from sm_80 on: causal, over the paged KV cache, with mma.m16n8k16.
//
// A CTA takes one tile of query rows of one head at a time, 16 rows a warp; blocks of keys and values come by cp.async
// into two stages, the next while the current one is used. Scores, their softmax and the output stay in registers. The
// cache's layout is that of shared memory, so a head of a block is copied as it lies.
// Source: Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning", 2023
//
// Arguments: 0 q, 1 KV layer pool, 2 out.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/attention_prefill_mma_config.h"
#include "templates/cuda/attention_prefill_softmax.cuh"
#include "templates/cuda/attention_prefill_tiles.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/matrix.cuh"

namespace sinter::cuda {

/// Where the 16-byte piece `piece` of a row lies in `rows` rows of swizzled atoms, 64 columns after 64 columns.
template <int Rows>
__device__ __forceinline__ u32 swizzledOffset(int row, int piece) {
  return piece / 8 * (Rows * atomColumns * 2) + row * (atomColumns * 2) + (piece % 8 ^ row % atomRows) * 16;
}

/// Orders the copy of a warp's 16 query rows into `target`; rows that do not exist become zeros.
template <AttentionPrefillMmaConfig C>
__device__ __forceinline__ void loadQueries(u32 target, const u16 *q, const PrefillTile &tile, int warp, int lane) {
  constexpr int pieces = C.headDim / 8, stride = C.heads * C.headDim;
#pragma unroll
  for (int i = 0; i < 16 * pieces / 32; ++i) {
    int at = i * 32 + lane, row = warp * 16 + at / pieces, piece = at % pieces, inside = min(row, tile.rows - 1);
    const u16 *source = q + (long long)(tile.firstRow + inside) * stride + tile.head * C.headDim + piece * 8;
    asyncCopy(target + swizzledOffset<C.rows()>(row, piece), source, row < tile.rows ? 16 : 0);
  }
}

/// Orders the copy of the keys and values of one block by the whole CTA. Tokens from `tokens` on, which nobody wrote,
/// become zeros: an exponential of zero times whatever they hold need not be zero.
template <AttentionPrefillMmaConfig C>
__device__ __forceinline__ void loadBlock(u32 stage, const char *pool, int block, int kvHead, int tokens) {
  const char *source = pool + ((long long)block * C.kvHeads + kvHead) * C.stageBytes();
#pragma unroll
  for (int i = 0; i < C.stageBytes() / 16 / C.threads(); ++i) {
    int at = (i * C.threads() + int(threadIdx.x)) * 16;
    asyncCopy(stage + at, source + at, at / (atomColumns * 2) % kvBlockTokens < tokens ? 16 : 0);
  }
}

/// Where a lane's rows of the matrices that ldmatrix fetches from a block begin: for each of the four pairs of pieces
/// of 64 columns, in the keys, which are not transposed, and in the values, which are.
struct PrefillLaneOffsets {
  u32 keys[4], values[4];
  __device__ explicit PrefillLaneOffsets(int lane) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      keys[i] = swizzledOffset<kvBlockTokens>(lane / 16 * 8 + lane % 8, i * 2 + lane / 8 % 2);
      values[i] = swizzledOffset<kvBlockTokens>(lane % 16, i * 2 + lane / 16);
    }
  }
};

/// Bytes from a piece of 64 columns, or 16 tokens, of a block to the next.
inline constexpr int prefillColumnsBytes = kvBlockTokens * atomColumns * 2, prefillTokensBytes = 16 * atomColumns * 2;

/// scores[16, 64] = q k^T of one warp. `queries`: where the lane's row of the matrices of q begins, in the first pair
/// of pieces; q is fetched anew for every block, which costs less than the registers it would take.
template <AttentionPrefillMmaConfig C>
__device__ __forceinline__ void scoreBlock(float (&scores)[32], u32 queries, u32 keys, const PrefillLaneOffsets &at) {
#pragma unroll
  for (int i = 0; i < 32; ++i)
    scores[i] = 0;
#pragma unroll
  for (int step = 0; step < C.headDim / 16; ++step) {
    U32x4 q = loadMatrices((queries ^ step % 4 * 32) + step / 4 * (C.rows() * atomColumns * 2));
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      U32x4 k = loadMatrices(keys + at.keys[step % 4] + step / 4 * prefillColumnsBytes + n * prefillTokensBytes);
      mma(reinterpret_cast<float(&)[4]>(scores[n * 8]), q, k.x, k.y);
      mma(reinterpret_cast<float(&)[4]>(scores[n * 8 + 4]), q, k.z, k.w);
    }
  }
}

/// output[16, headDim] += p[16, 64] v of one warp.
template <AttentionPrefillMmaConfig C>
__device__ __forceinline__ void addValues(float (&output)[C.headDim / 2], const U32x4 (&p)[4], u32 values,
                                          const PrefillLaneOffsets &at) {
#pragma unroll
  for (int step = 0; step < 4; ++step)
#pragma unroll
    for (int n = 0; n < C.headDim / 16; ++n) {
      U32x4 v =
          loadMatricesTransposed(values + at.values[n % 4] + n / 4 * prefillColumnsBytes + step * prefillTokensBytes);
      mma(reinterpret_cast<float(&)[4]>(output[n * 8]), p[step], v.x, v.y);
      mma(reinterpret_cast<float(&)[4]>(output[n * 8 + 4]), p[step], v.z, v.w);
    }
}

/// One tile. `stages`: shared memory, two stages and then the queries, that nobody reads any more.
template <AttentionPrefillMmaConfig C>
__device__ __forceinline__ void attendTileMma(const rt::CudaStep &step, const PrefillTile &tile, u32 stages,
                                              const u16 *q, const char *pool, u16 *out) {
  int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32, kvHead = tile.head / C.group();
  u32 queryTile = stages + 2 * C.stageBytes();
  PrefillBlocks ids(step, tile);
  loadQueries<C>(queryTile, q, tile, warp, lane);
  loadBlock<C>(stages, pool, ids.id(0, lane), kvHead, tile.context);
  u32 queries = queryTile + swizzledOffset<C.rows()>(warp * 16 + lane % 16, lane / 16);
  PrefillLaneOffsets offsets(lane);
  float output[C.headDim / 2] = {};
  PrefillRows rows;
  int row = warp * 16 + lane / 4, blocks = tile.blocks();
#pragma unroll 1
  for (int block = 0; block < blocks; ++block) {
    asyncCopyWait();
    __syncthreads(); // this block is there for all, and all are done with the one before
    if (int next = block + 1; next < blocks)
      loadBlock<C>(stages + next % 2 * C.stageBytes(), pool, ids.id(next, lane), kvHead,
                   tile.context - next * kvBlockTokens);
    u32 keys = stages + block % 2 * C.stageBytes();
    float scores[32], factors[2];
    scoreBlock<C>(scores, queries, keys, offsets);
    int seen = tile.firstPosition + 1 - block * kvBlockTokens; // keys of this block that row 0 may look at
    if (seen + warp * 16 < kvBlockTokens) {
      int visible[2] = {seen + min(row, tile.rows - 1), seen + min(row + 8, tile.rows - 1)};
      maskScores(scores, visible, lane);
    }
    addToSoftmax(scores, rows, factors, C.scale * log2OfE);
    scaleRows(output, factors);
    U32x4 p[4];
    packExponentials(scores, p);
    addValues<C>(output, p, keys + kvHeadBytes(C.headDim), offsets);
  }
  constexpr int stride = C.heads * C.headDim;
  storeRows(output, rows, out + (long long)tile.firstRow * stride + tile.head * C.headDim, stride, row, tile.rows,
            lane);
}

template <AttentionPrefillMmaConfig C, int N>
__device__ void attentionPrefillMma(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  extern __shared__ __align__(1024) char shared[];
  u32 stages = (sharedAddress(shared) + atomBytes - 1) / atomBytes * atomBytes;
  launchDependents();
  waitForPrerequisites();
  int lane = int(threadIdx.x) % 32;
  PrefillTiles<C.rows(), C.heads> tiles(step, lane);
  PrefillTile tile;
#pragma unroll 1
  for (int round = 0; tiles.find(step, lane, prefillTileNumber(round), tile); ++round) {
    attendTileMma<C>(step, tile, stages, args.template get<const u16>(0), args.template get<const char>(1),
                     args.template get<u16>(2));
    __syncthreads();
  }
}

} // namespace sinter::cuda
