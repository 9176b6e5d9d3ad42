// SPDX-License-Identifier: Apache-2.0
// Attention of a resident step: the consuming warps attend to this SM's blocks of keys, which come through the ring,
// two of a head at a time. Each warp weighs 16 of their tokens; then each adds up 16 columns of the values of all of
// them, so that all that warps tell each other is weights. Keys, and values transposed, are the A operands of mma,
// heads its columns; both are in registers before the queries are there. decode_step_merge.cuh has what follows.
// Source: Dao, "FlashAttention-2", 2023, algorithm 1
#pragma once
#include "templates/cuda/decode_step_merge.cuh"
#include "templates/cuda/decode_step_query.cuh"

namespace sinter::cuda {

/// Less than any logit that counts; what exp2 of is taken stays a number with it.
inline constexpr float stepLowest = -1e30f;

/// What a warp has found of 16 columns of a group's output: lane (g, t) has columns g and g + 8 of heads 2 t and 2 t +
/// 1, as accumulators of mma, and the power of 2 that is the maximum of head g. Logits are in units of log 2.
struct StepHeads {
  float out[4] = {}, sum[4] = {};
  float max = stepLowest;
};

template <DecodeStepConfig C>
struct StepAttention {
  static constexpr int dim = C.headDim;
  static constexpr int slices = kvBlockTokens / 16; ///< of 16 tokens, in a block
  static constexpr int groupBytes = kvBlockTokens * 128;
  StepConsumer<C> &self;
  U32x4 keys[dim / 16] = {};     ///< of this warp's slice of the two blocks
  U32x4 values[2 * slices] = {}; ///< of all slices, this warp's columns

  /// Whether this warp has columns of the output.
  __device__ __forceinline__ bool hasColumns() const { return self.warp < dim / 16; }
  __device__ __forceinline__ int row() const { return self.lane / 4; }
  __device__ __forceinline__ int pair() const { return self.lane % 4 * 2; }

  /// Takes one block or two from the ring.
  __device__ __forceinline__ void fetch(int blocks) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (i >= blocks)
        break;
      u32 slot = self.wait();
      if (self.warp / slices == i)
        fetchKeys(slot);
      if constexpr (C.unitSlots() == 2) {
        self.release();
        slot = self.wait();
      } else {
        slot += kvHeadBytes(dim);
      }
      if (hasColumns())
        fetchValues(i, slot);
      self.release();
    }
  }
  __device__ __forceinline__ void fetchKeys(u32 block) {
    int lane = self.lane, r = lane % 8;
    u32 base = block + (self.warp % slices * 2 + lane / 8 % 2) * atomBytes + r * 128 + ((lane / 16 ^ r) << 4);
#pragma unroll
    for (int i = 0; i < dim / 16; ++i)
      keys[i] = loadMatrices((base + i / 4 * groupBytes) ^ (i % 4 * 32));
  }
  __device__ __forceinline__ void fetchValues(int i, u32 block) {
    int lane = self.lane, r = lane % 8;
    u32 base = block + self.warp / 4 * groupBytes + lane / 16 * atomBytes + r * 128 +
               (((lane / 8 % 2 ^ r) << 4) ^ (self.warp % 4 * 32));
#pragma unroll
    for (int j = 0; j < slices; ++j)
      values[i * slices + j] = loadMatricesTransposed(base + j * 2 * atomBytes);
  }

  /// Puts in the new token, the last of the sequence and number `last` of the blocks', which are not in the pool yet.
  /// Its weights past the end are zero, so values there, of which anything may be, become zeros.
  __device__ __forceinline__ void complete(int last) {
    u32 added = self.shared + C.addedAt();
    if (last / 16 == self.warp && last % 8 == row())
#pragma unroll
      for (int i = 0; i < dim / 16; ++i) {
        u32 low = loadSharedWord(added + (i * 16 + pair()) * 2),
            high = loadSharedWord(added + (i * 16 + 8 + pair()) * 2);
        if (last % 16 < 8)
          keys[i].x = low, keys[i].z = high;
        else
          keys[i].y = low, keys[i].w = high;
      }
    if (!hasColumns())
      return;
    added += dim * 2 + (self.warp * 16 + row() / 2 * 2) * 2;
    u32 low = loadSharedWord(added) >> row() % 2 * 16 & 0xffff,
        high = loadSharedWord(added + 16) >> row() % 2 * 16 & 0xffff;
#pragma unroll
    for (int i = 0; i < 2 * slices; ++i)
      if (i == last / 16) {
        endValues(values[i].x, values[i].y, low, high, last % 16 - pair());
        endValues(values[i].z, values[i].w, low, high, last % 16 - 8 - pair());
      }
  }
  /// `left`: how far the new token is behind the first of the two that the pairs `a` and `b` are of.
  __device__ __forceinline__ static void endValues(u32 &a, u32 &b, u32 low, u32 high, int left) {
    u32 keep = left > 1 ? ~0u : left == 1 ? 0xffff : 0;
    a = a & keep | (left == 0 ? low : left == 1 ? low << 16 : 0);
    b = b & keep | (left == 0 ? high : left == 1 ? high << 16 : 0);
  }

  /// Where the weights of slice `i` are, as the B operand of all lanes, and behind them their maxima.
  __device__ __forceinline__ u32 weightsAt(int turn, int i) const {
    return self.shared + C.weightsAt() + (turn * 2 * slices + i) * C.sliceBytes();
  }

  /// Leaves the weights of this warp's slice where all warps find them. `length`: tokens from the blocks' first on.
  __device__ __forceinline__ void weigh(int turn, int length) const {
    constexpr float toLog2 = C.scale * log2OfE;
    U32x2 query[dim / 16];
    loadQuery<C>(self, query);
    float sums[4][4] = {};
#pragma unroll
    for (int i = 0; i < dim / 16; ++i)
      mma(sums[i % 4], keys[i], query[i].x, query[i].y);
    float logits[4], most[2];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float sum = (sums[0][i] + sums[1][i]) + (sums[2][i] + sums[3][i]);
      logits[i] = self.warp * 16 + row() + i / 2 * 8 < length ? sum * toLog2 : minusInfinity();
    }
#pragma unroll
    for (int i = 0; i < 2; ++i)
      most[i] = fmaxf(fmaxf(logits[i], logits[i + 2]), stepLowest);
#pragma unroll
    for (int offset = 4; offset < 32; offset *= 2)
#pragma unroll
      for (int i = 0; i < 2; ++i)
        most[i] = fmaxf(most[i], __shfl_xor_sync(~0u, most[i], offset));
#pragma unroll
    for (int i = 0; i < 2; ++i)
      most[i] = ceilf(most[i]);
#pragma unroll
    for (int i = 0; i < 4; ++i)
      logits[i] = exp2Approx(logits[i] - most[i % 2]);
    u32 low = transposeMatrix(toBf16Pair(logits[0], logits[1])),
        high = transposeMatrix(toBf16Pair(logits[2], logits[3]));
    u32 to = weightsAt(turn, self.warp);
    storeShared(to + self.lane * 8, U32x2{low, high});
    if (row() == 0)
      storeShared(to + 256 + pair() * 4, toWords(most[0], most[1]));
  }

  /// Adds the values of the first `count` slices. Maxima are whole numbers, so that scaling a weight is exact. The sums
  /// of weights are a product with ones.
  __device__ __forceinline__ void add(StepHeads &state, int turn, int count, bool first) const {
    constexpr u32 one = 0x3f803f80;
    U32x2 weights[2 * slices];
    float max[2 * slices], most = state.max, others[4] = {}, otherSum[4] = {};
#pragma unroll
    for (int i = 0; i < 2 * slices; ++i) {
      if (i >= count)
        break;
      weights[i] = loadSharedX2(weightsAt(turn, i) + self.lane * 8);
      max[i] = __uint_as_float(loadSharedWord(weightsAt(turn, i) + 256 + row() * 4));
      most = fmaxf(most, max[i]);
    }
    if (!first) // or there is nothing to scale
      rescale(state, most);
    state.max = most;
#pragma unroll
    for (int i = 0; i < 2 * slices; ++i) {
      if (i >= count)
        break;
      float factor = exp2Approx(max[i] - most);
      u32 both = toBf16Pair(factor, factor), low = multiplyPairs(weights[i].x, both);
      u32 high = multiplyPairs(weights[i].y, both);
      mma(i % 2 ? others : state.out, values[i], low, high);
      mma(i % 2 ? otherSum : state.sum, {one, one, one, one}, low, high);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j)
      state.out[j] += others[j], state.sum[j] += otherSum[j];
  }
  __device__ __forceinline__ void rescale(StepHeads &state, float most) const {
    float correction = exp2Approx(state.max - most);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float c = __shfl_sync(~0u, correction, (pair() + h) * 4);
      state.out[h] *= c;
      state.out[h + 2] *= c;
      state.sum[h] *= c;
    }
  }

  /// Puts what this warp has found of a group into the exchange, as mergeStep() reads it.
  __device__ __forceinline__ void publish(const StepHeads &state, u32 *to) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      int head = pair() + h;
      if (head >= C.group())
        break;
      u32 *out = to + head * dim + self.warp * 16 + row();
      storeRelaxed(out, presentFloat(state.out[h]));
      storeRelaxed(out + 8, presentFloat(state.out[h + 2]));
      if (self.warp == 0 && row() == 0)
        storeRelaxed(to + C.group() * dim + head * 2 + 1, presentFloat(state.sum[h]));
    }
    if (self.warp == 0 && pair() == 0 && row() < C.group())
      storeRelaxed(to + C.group() * dim + row() * 2, presentFloat(state.max));
  }
};

/// This SM's part of attention in one layer.
template <DecodeStepConfig C>
__device__ __forceinline__ void attendStep(StepConsumer<C> &self, const StepExchange<C> &exchange,
                                           const StepLayer &layer, const float *rope) {
  self.pin();
  StepToken token = tokenOf<C>(self.shared);
  u32 *parts = exchange.at(C.partsAt()) + int(blockIdx.x) * 2 * C.partWords();
#pragma unroll 1
  for (int left = token.count, head = token.head, block = token.block; left > 0; ++head, block = 0) {
    self.pin();
    int count = token.blocks - block < left ? token.blocks - block : left; // of this head
    StepAttention<C> attention{self};
    StepHeads state;
#pragma unroll 1
    for (int i = 0; i < count; i += 2) {
      int blocks = count - i > 1 ? 2 : 1, length = token.length - (block + i) * kvBlockTokens;
      self.pin();
      attention.fetch(blocks);
      if (i == 0)
        stageQueries<C>(self, token, exchange.at(C.qkvAt()), layer, rope, head, block + count == token.blocks);
      self.pin();
      int slices = blocks * attention.slices;
      if (length <= blocks * kvBlockTokens) {
        attention.complete(length - 1);
        slices = ceilDiv(length, 16);
      }
      if (self.warp < slices)
        attention.weigh(i / 2 % 2, length);
      namedBarrier(1, C.warps * 32);
      if (attention.hasColumns())
        attention.add(state, i / 2 % 2, slices, i == 0);
    }
    if (attention.hasColumns())
      attention.publish(state, parts + head % 2 * C.partWords());
    left -= count;
  }
  self.pin();
  u32 *stale = exchange.stale(C.partsAt()) + int(blockIdx.x) * 2 * C.partWords();
#pragma unroll 1
  for (int i = (self.warp * 32 + self.lane) * 4; i < 2 * C.partWords(); i += C.warps * 32 * 4)
    storeRelaxed(stale + i, U32x4{});
}

} // namespace sinter::cuda
