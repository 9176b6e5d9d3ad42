// SPDX-License-Identifier: Apache-2.0
// Attention of a resident step: the consuming warps attend to this SM's blocks of keys, which come through the ring;
// four warps take a block, 16 tokens each, the other four the next. decode_step_merge.cuh has what follows.
// Source: as attention_decode.cuh
#pragma once
#include "templates/cuda/decode_step_merge.cuh"
#include "templates/cuda/math.cuh"
#include "templates/cuda/rope.cuh"

namespace sinter::cuda {

/// What is the same for all layers of a step, in shared memory.
struct StepToken {
  int length, position, slot;
  int blocks, head, block, count; ///< of a head; the SM's first unit; its units
};

template <DecodeStepConfig C>
struct StepAttention {
  static constexpr int dim = C.headDim, rowLanes = dim / 4;
  StepConsumer<C> &self;
  StepToken token;

  /// Where, in bytes, a column of a token of a block lies among the keys, or values.
  __device__ __forceinline__ static u32 offsetOf(int row, int column) {
    return u32(column / atomColumns * (kvBlockTokens / atomRows) + row / atomRows) * atomBytes +
           u32(atomIndex(row % atomRows, column % atomColumns)) * 2;
  }

  /// The norm's weights of a head for this lane's columns.
  __device__ __forceinline__ RopeFactors factors(const float *rope, const float *weight) const {
    int column = self.lane % rowLanes * 2;
    const float *angles = rope + (long long)token.position * dim + column;
    RopeFactors f{constantPair(angles), constantPair(angles + dim / 2), {1, 1}, {1, 1}};
    if constexpr (C.qkNorm) {
      f.weight = constantPair(weight + column);
      f.partnerWeight = constantPair(weight + dim / 2 + column);
    }
    return f;
  }
  __device__ __forceinline__ U32x2 roped(u32 low, u32 high, const RopeFactors &f) const {
    float scale = 1;
    if constexpr (C.qkNorm)
      scale = normFactor(sumOverLanes(self.lane < rowLanes ? squaresOf(low) + squaresOf(high) : 0), dim, C.eps);
    return ropePair(low, high, scale, f);
  }

  /// Puts the queries of a group into shared memory, and with `append` (the sequence ends among this warp's tokens) the
  /// new key and value into the pool; returns them.
  __device__ __forceinline__ U32x4 begin(const u32 *qkv, const StepLayer &layer, const float *rope, int head,
                                         bool append) const {
    bool queries = self.warp < C.group(), row = self.lane < rowLanes;
    RopeFactors query = factors(rope, layer.qNorm), key = factors(rope, layer.kNorm);
    const u32 *q = qkv + (head * C.group() + self.warp) * (dim / 2) + self.lane % rowLanes;
    const u32 *k = qkv + (C.heads + head) * (dim / 2) + self.lane % rowLanes;
    u32 words[6]; // of a query, the key, the value
    pollWords<6>(words, [&](int i) {
      return i < 2    ? queries ? q + i * (dim / 4) : nullptr
             : append ? k + i / 4 * (C.kvHeads * (dim / 2)) + i % 2 * (dim / 4)
                      : nullptr;
    });
    if (queries) {
      U32x2 x = roped(words[0], words[1], query);
      if (row) {
        storeShared(self.shared + C.queryAt() + queryOffset(self.warp, self.lane * 2), x.x);
        storeShared(self.shared + C.queryAt() + queryOffset(self.warp, self.lane * 2 + dim / 2), x.y);
      }
    }
    namedBarrier(1, C.warps * 32);
    U32x4 added{};
    if (append) {
      U32x2 x = roped(words[2], words[3], key);
      added = {x.x, x.y, words[4], words[5]};
      if (row)
        appendRow(layer.pool, head, added);
    }
    self.pin();
    return added;
  }
  __device__ __forceinline__ void appendRow(u16 *pool, int head, const U32x4 &added) const {
    auto at = [&](bool value, int c) {
      return reinterpret_cast<u32 *>(pool + kvIndex(token.slot, head, value, c, C.kvHeads, dim));
    };
    *at(false, self.lane * 2) = added.x;
    *at(false, self.lane * 2 + dim / 2) = added.y;
    *at(true, self.lane * 2) = added.z;
    *at(true, self.lane * 2 + dim / 2) = added.w;
  }
  __device__ __forceinline__ static u32 queryOffset(int row, int column) {
    return u32(column / atomColumns) * atomBytes + u32(atomIndex(row, column % atomColumns)) * 2;
  }
  __device__ __forceinline__ void loadQuery(U32x2 (&query)[dim / 16]) const {
    u32 row = self.lane % 8, base = self.shared + C.queryAt() + row * 128 + ((self.lane / 8 ^ row) << 4);
#pragma unroll
    for (int i = 0; i < dim / 32; ++i) {
      U32x4 v = loadMatrices((base + i / 2 * atomBytes) ^ (i % 2 * 64));
      query[2 * i] = {v.x, v.y};
      query[2 * i + 1] = {v.z, v.w};
    }
  }

  /// Makes a slice that holds the sequence's end fit for use: see completeSlice().
  __device__ __forceinline__ void complete(u32 keys, u32 values, int first, int length, const U32x4 &added) const {
#pragma unroll
    for (int i = 0; i < 16 * (dim / 8) / 32; ++i) {
      int piece = i * 32 + self.lane, row = piece / (dim / 8);
      if (row >= length)
        storeShared(values + offsetOf(first + row, piece % (dim / 8) * 8), U32x4{});
    }
    if (self.lane < rowLanes) {
      int row = first + length - 1, column = self.lane * 2;
      storeShared(keys + offsetOf(row, column), added.x);
      storeShared(keys + offsetOf(row, column + dim / 2), added.y);
      storeShared(values + offsetOf(row, column), added.z);
      storeShared(values + offsetOf(row, column + dim / 2), added.w);
    }
    asyncProxyFence(); // the slot is filled again by the async proxy
    __syncwarp();
  }

  /// mma() for the upper 8 rows; the lower, of zeros, go to `none`.
  __device__ __forceinline__ static void addRows(float (&out)[2], float (&none)[2], U32x4 a, u32 b0, u32 b1) {
    float d[4] = {out[0], out[1], none[0], none[1]};
    mma(d, a, b0, b1);
    out[0] = d[0], out[1] = d[1], none[0] = d[2], none[1] = d[3];
  }

  /// Adds 16 tokens from `first` of a block, of which `length` count, at least one.
  __device__ __forceinline__ void attend(StepHeads<C> &state, u32 keys, u32 values, int first, int length) const {
    U32x2 query[dim / 16]; // not kept: registers are scarce
    loadQuery(query);
    constexpr float toLog2 = C.scale * log2OfE;
    constexpr int groupBytes = kvBlockTokens * 128;
    u32 row = self.lane % 8;
    u32 base = keys + first / 8 * atomBytes + row * 128 + ((self.lane / 8 ^ row) << 4);
    float sums[2][2][4] = {}, logits[2][2];
    U32x4 k[dim / 16]; // all on their way at once
#pragma unroll
    for (int i = 0; i < dim / 16; ++i)
      k[i] = loadMatrices((base + i / 4 * groupBytes + i % 2 * atomBytes) ^ (i / 2 % 2 * 64));
#pragma unroll
    for (int i = 0; i < dim / 16; ++i) {
      mma(sums[i % 2][0], {query[i / 2 * 2].x, 0, query[i / 2 * 2].y, 0}, k[i].x, k[i].y);
      mma(sums[i % 2][1], {query[i / 2 * 2 + 1].x, 0, query[i / 2 * 2 + 1].y, 0}, k[i].z, k[i].w);
    }
    u32 at = values + (first / 8 + self.lane / 8 % 2) * atomBytes + row * 128 + ((self.lane / 16 ^ row) << 4);
    U32x4 v[4]; // on their way while the weights are computed
#pragma unroll
    for (int i = 0; i < 4; ++i)
      v[i] = loadMatricesTransposed(at ^ (i * 32));
    float most = state.max;
#pragma unroll
    for (int j = 0; j < 2; ++j)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        logits[j][i] =
            j * 8 + self.lane % 4 * 2 + i < length ? (sums[j][0][i] + sums[j][1][i]) * toLog2 : minusInfinity();
        most = fmaxf(most, logits[j][i]);
      }
    most = maxOverQuad(most);
    float correction = exp2Approx(state.max - most);
    state.max = most;
    state.sum *= correction;
#pragma unroll
    for (int j = 0; j < 2; ++j)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        logits[j][i] = exp2Approx(logits[j][i] - most);
        state.sum += logits[j][i];
      }
    float none[4][2] = {};
    U32x4 p{toBf16Pair(logits[0][0], logits[0][1]), 0, toBf16Pair(logits[1][0], logits[1][1]), 0};
#pragma unroll
    for (int i = 0; i < dim / 8; ++i) {
      state.out[i][0] *= correction;
      state.out[i][1] *= correction;
    }
#pragma unroll
    for (int i = 0; i < dim / 16; ++i) {
      addRows(state.out[2 * i], none[i % 2 * 2], p, v[i % 4].x, v[i % 4].y);
      addRows(state.out[2 * i + 1], none[i % 2 * 2 + 1], p, v[i % 4].z, v[i % 4].w);
      if (i + 4 < dim / 16)
        v[i % 4] = loadMatricesTransposed((at + groupBytes) ^ (i % 4 * 32));
    }
  }
};

template <DecodeStepConfig C>
__device__ __forceinline__ StepToken tokenOf(u32 shared) {
  U32x4 v = loadShared(shared + C.tokenAt()), w = loadShared(shared + C.tokenAt() + 16);
  return {int(v.x), int(v.y), int(v.z), int(v.w), int(w.x), int(w.y), int(w.z)};
}

/// This SM's part of attention in one layer. Blocks of a head go to the two halves of the warps in turn, and so that
/// the last warp has the sequence's end: it has no query to rope.
template <DecodeStepConfig C>
__device__ __forceinline__ void attendStep(StepConsumer<C> &self, const StepExchange<C> &exchange,
                                           const StepLayer &layer, const float *rope, const char *shared) {
  self.pin();
  StepToken token = tokenOf<C>(self.shared);
  StepAttention<C> attention{self, token};
  int lastBlock = token.blocks - 1, lastSlice = (token.length - 1) % kvBlockTokens / 16;
  u32 *parts = exchange.at(C.partsAt()) + int(blockIdx.x) * 2 * C.partWords();
#pragma unroll 1
  for (int left = token.count, head = token.head, block = token.block; left > 0; ++head, block = 0) {
    int count = token.blocks - block < left ? token.blocks - block : left; // of this head
    bool ends = block + count > lastBlock;
    // The warp's number among those that attend: the last has the last slice of the last block.
    int number = (self.warp + (ends ? (lastBlock - block) % 2 * 4 + lastSlice + 1 : 0)) % 8;
    int half = number / 4, first = number % 4 * 16;
    U32x4 added = attention.begin(exchange.at(C.qkvAt()), layer, rope, head, ends && self.warp == C.warps - 1);
    StepHeads<C> state{};
    state.max = minusInfinity();
#pragma unroll 1
    for (int i = 0; i < count; ++i) {
      u32 keys = self.wait(), values = keys + kvHeadBytes(C.headDim);
      if constexpr (C.unitSlots() == 2) {
        RingPlace<C.slots> second = self.place;
        second.advance();
        barrierWaitBounded(self.ring.full(second.slot), second.parity);
        values = self.ring.slot(second.slot);
      }
      int length = token.length - (block + i) * kvBlockTokens - first;
      if (i % 2 == half && length > 0) {
        if (length <= 16)
          attention.complete(keys, values, first, length, added);
        self.pin();
        attention.attend(state, keys, values, first, length);
      }
      self.release();
      if constexpr (C.unitSlots() == 2)
        self.release();
    }
    self.pin();
    shareHeads<C>(self, state, number);
    self.pin();
    publishHeads<C>(self, shared, count > 1 ? 8 : 4, parts + head % 2 * C.partWords());
    left -= count;
  }
  u32 *stale = exchange.stale(C.partsAt()) + int(blockIdx.x) * 2 * C.partWords();
#pragma unroll 1
  for (int i = self.warp * 32 + self.lane; i < 2 * C.partWords(); i += C.warps * 32)
    storeRelaxed(stale + i, 0);
}

} // namespace sinter::cuda
